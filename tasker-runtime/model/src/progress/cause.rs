//! Why a task stands where it does, in words.

use super::Progress;
use crate::StepState;

/// So many failed steps are named in the cause of a task.
const MOST_NAMED: usize = 10;

impl Progress {
    /// Which steps failed for good, for people; and which compensation, where a rollback cannot go on.
    /// `None` where nothing failed.
    #[must_use]
    pub fn failures(&self) -> Option<String> {
        let name = |no| self.rules.name(no).to_string();
        let failed = self.slots().filter(|(_, slot)| slot.state() == StepState::Error);
        let failed: Vec<_> = failed.map(|(no, _)| no).collect();
        let mut names: Vec<String> = failed.iter().take(MOST_NAMED).map(|no| name(*no)).collect();
        if failed.len() > MOST_NAMED {
            names.push(format!("and {} more", failed.len() - MOST_NAMED));
        }
        let steps = (!names.is_empty()).then(|| format!("failed for good: {}", names.join(", ")));
        let mut compensations = self.compensations();
        match compensations.find(|(_, slot)| slot.state() == StepState::Error) {
            Some((no, _)) => Some(format!(
                "the rollback cannot go on: `{}` failed for good{}",
                name(no),
                steps.map(|steps| format!(" (rolled back because these {steps})")).unwrap_or_default()
            )),
            None => steps,
        }
    }
}
