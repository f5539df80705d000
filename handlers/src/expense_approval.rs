//! An expense that a person approves: who has not answered within a day is reminded, and who has not answered two days
//! after that is not waited for any longer.

use serde::{Deserialize, Serialize};
use tasker_runtime::prelude::*;

/// The context.
#[derive(Debug, Clone, Deserialize)]
pub struct Expense {
    employee: String,
    cents: u64,
}

/// What a manager is asked, and sends as the signal `expense_answer`.
#[signal(name = "expense_answer", after(expense_ask), timeout = "1d", default = Answer::NONE)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    approved: bool,
    /// Who answered; nobody, where no answer came.
    by: Option<String>,
}

/// The same, after the reminder: an answer is the first that comes.
#[signal(
    name = "expense_last_answer",
    signal = "expense_answer",
    after(expense_remind),
    timeout = "2d",
    default = LastAnswer(Answer::NONE)
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastAnswer(Answer);

impl Answer {
    const NONE: Self = Self { approved: false, by: None };

    /// What `by` says.
    #[must_use]
    pub fn of(by: &str, approved: bool) -> Self {
        Self { approved, by: Some(by.to_owned()) }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    outcome: String,
    reminded: bool,
}

#[step_handler]
async fn expense_ask(expense: Expense) -> String {
    format!("may {} spend {} cents?", expense.employee, expense.cents)
}

#[step_handler]
#[decision(routes = [expense_in_time, expense_remind])]
async fn expense_choose(#[depends_on(Answer)] answer: Answer) -> Decision {
    if answer.by.is_some() { Decision::route(expense_in_time) } else { Decision::route(expense_remind) }
}

#[step_handler]
async fn expense_in_time(#[depends_on(Answer)] answer: Answer) -> Answer {
    answer
}

#[step_handler]
async fn expense_remind(#[depends_on(expense_ask)] question: String) -> String {
    format!("again: {question}")
}

#[step_handler]
async fn expense_settle(
    #[depends_on(expense_in_time)] in_time: Option<Answer>,
    #[depends_on(LastAnswer)] late: Option<LastAnswer>,
) -> Settled {
    let reminded = in_time.is_none();
    let answer = in_time.or(late.map(|LastAnswer(answer)| answer)).unwrap_or(Answer::NONE);
    let outcome = match (answer.by, answer.approved) {
        (Some(by), true) => format!("approved by {by}"),
        (Some(by), false) => format!("turned down by {by}"),
        (None, _) => "nobody answered".to_owned(),
    };
    Settled { outcome, reminded }
}

workflow!(
    pub expense_approval = [
        expense_ask,
        Answer,
        expense_choose,
        expense_in_time,
        expense_remind,
        LastAnswer,
        expense_settle
    ],
    namespace = "approvals"
);
