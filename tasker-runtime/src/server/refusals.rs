//! The errors of the library as problem documents.

use super::problem::{Code, FieldError, Problem};
use crate::{
    api::{ForkError, OperateError, ScheduleError, SignalError, SubmitError, UnknownTemplate, WaitError},
    model::{Command, CommandError, ForkRefused, SignalRefused, TaskState},
    store,
};
use uuid::Uuid;

impl Problem {
    pub(super) fn no_such_task(task: Uuid) -> Self {
        Self::new(Code::NoSuchTask, format!("there is no task {task}"))
            .hint("GET /v1/tasks lists the tasks there are")
    }

    /// A mistake in one field of the body, or in all of it.
    pub(super) fn of_field(code: Code, pointer: &str, detail: String) -> Self {
        let error = FieldError { pointer: pointer.to_owned(), code: code.as_str(), detail: detail.clone() };
        Self::new(code, detail).errors(vec![error])
    }

    /// A fault of this program: only the log has more to say.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error}");
        Self::new(
            Code::Internal,
            "this is a fault of the service; its log has more, under the id of the request",
        )
    }
}

/// The database was asked in vain: come back in 1 to 5 s, not all at once.
pub(super) fn away() -> Problem {
    Problem::new(Code::StoreUnavailable, "the database does not answer").after(fastrand::u64(1..=5))
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::TooLarge { .. } => Self::new(Code::BodyTooLarge, error.to_string()),
            error if error.is_away() || error.is_transient() => away(),
            error => Self::internal(&error),
        }
    }
}

impl From<UnknownTemplate> for Problem {
    fn from(unknown: UnknownTemplate) -> Self {
        Self::new(Code::NoSuchTemplate, unknown.to_string())
            .hint("GET /v1/templates lists the templates there are")
    }
}

/// Each problem of a context as a mistake in that field.
fn context(template: &str, problems: &[String]) -> Problem {
    let error = |problem: &String| FieldError {
        pointer: "/context".to_owned(),
        code: Code::ContextInvalid.as_str(),
        detail: problem.trim().to_owned(),
    };
    let detail = format!("the context does not fit the template {template}");
    Problem::new(Code::ContextInvalid, detail).errors(problems.iter().map(error).collect())
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::UnknownTemplate(unknown) => unknown.into(),
            SubmitError::Context { template, problems } => context(&template, &problems),
            SubmitError::NoKey { template, problem } => context(&template, &[problem]),
            SubmitError::NotJson(_) => Self::of_field(Code::ContextInvalid, "/context", detail),
            SubmitError::Unsupported { .. } => Self::new(Code::TemplateUnsupported, detail),
            SubmitError::EmptyKey | SubmitError::KeyTooLong { .. } => {
                Self::of_field(Code::FieldsInvalid, "/idempotency_key", detail)
            }
            SubmitError::DelayTooLong { .. } => Self::of_field(Code::FieldsInvalid, "/delay_ms", detail),
            SubmitError::KeyReused { task, .. } => {
                let hint = "take a new key for a new task, or the same context for the same one";
                Self::new(Code::IdempotencyKeyReused, detail).of_task(task).hint(hint)
            }
            SubmitError::Store(error) => error.into(),
        }
    }
}

impl From<WaitError> for Problem {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::UnknownTask(task) => Self::no_such_task(task),
            WaitError::Submit(error) => error.into(),
            WaitError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

/// Whether a command that is refused asks for what is so already.
pub(super) fn is_done(command: &Command, error: &OperateError) -> bool {
    matches!(
        (command, error),
        (Command::Cancel, OperateError::Refused(CommandError::Over(TaskState::Cancelled)))
    )
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        let detail = error.to_string();
        let refused = match error {
            OperateError::UnknownTask(task) => return Self::no_such_task(task),
            OperateError::Store(error) => return error.into(),
            OperateError::RefusedByHolder { .. } => return Self::new(Code::RefusedByHolder, detail),
            OperateError::Refused(refused) => refused,
        };
        let code = match refused {
            CommandError::Over(_) => Code::TaskOver,
            CommandError::UnknownStep { .. } => Code::NoSuchStep,
            CommandError::WrongState { .. } => Code::WrongStepState,
            CommandError::RollingBack { .. } => Code::RollingBack,
            CommandError::NothingFailed => Code::NothingFailed,
            CommandError::BatchOver { .. } => Code::BatchOver,
            CommandError::NotBlocked(_) => Code::NotBlocked,
            CommandError::NotPaused(_) => Code::NotPaused,
            CommandError::Result { .. } => return Self::of_field(Code::ResultInvalid, "/result", detail),
            _ => Code::RefusedByHolder,
        };
        Self::new(code, detail)
    }
}

impl From<SignalError> for Problem {
    fn from(error: SignalError) -> Self {
        let detail = error.to_string();
        let refused = match error {
            SignalError::UnknownTask(task) => return Self::no_such_task(task),
            SignalError::Store(error) => return error.into(),
            SignalError::NotJson(_) => return Self::of_field(Code::PayloadInvalid, "/payload", detail),
            SignalError::Refused(refused) => refused,
        };
        match refused {
            SignalRefused::Over(_) => Self::new(Code::TaskOver, detail),
            SignalRefused::RollingBack => Self::new(Code::RollingBack, detail),
            SignalRefused::Unknown { .. } => Self::new(Code::NoSuchSignal, detail),
            SignalRefused::TooLarge { .. } => Self::new(Code::BodyTooLarge, detail),
            SignalRefused::MailboxFull => Self::new(Code::MailboxFull, detail),
            SignalRefused::KeyReused { .. } => Self::new(Code::IdempotencyKeyReused, detail),
            SignalRefused::BadKey { .. } => Self::of_field(Code::FieldsInvalid, "/idempotency_key", detail),
            _ => Self::of_field(Code::PayloadInvalid, "/payload", detail),
        }
    }
}

impl From<ForkError> for Problem {
    fn from(error: ForkError) -> Self {
        let detail = error.to_string();
        match error {
            ForkError::UnknownTask(task) => Self::no_such_task(task),
            ForkError::Refused(ForkRefused::UnknownStep { .. }) => Self::new(Code::NoSuchStep, detail),
            ForkError::Refused(_) => Self::new(Code::NotForkable, detail),
            ForkError::Context { template, problems } => context(&template, &problems),
            ForkError::Skipped { running } => Self::new(Code::Skipped, detail).of_task(running),
            ForkError::Store(error) => error.into(),
        }
    }
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        let detail = error.to_string();
        match error {
            ScheduleError::Unknown { .. } => Self::new(Code::NoSuchSchedule, detail)
                .hint("GET /v1/schedules lists the schedules there are"),
            ScheduleError::OfTemplate { .. } => Self::new(Code::ScheduleOfTemplate, detail),
            ScheduleError::UnknownTemplate(unknown) => unknown.into(),
            ScheduleError::Submit(error) => error.into(),
            ScheduleError::Wait(error) => error.into(),
            ScheduleError::Store(error) => error.into(),
            _ => Self::new(Code::ScheduleInvalid, detail),
        }
    }
}
