//! The number of a step within its task.

/// The number of a step within its task, as the journal keeps it.
///
/// The lowest 14 bits are the step's place in the template (at most 10,000 steps). The 16 bits above them
/// are the number of a batch instance, from 1; 0 for a step that is none. Bit 30 says that the number
/// stands for the compensation of the step and not for the step.
///
/// ```
/// use tasker_model::StepIndex;
///
/// let worker = StepIndex::of(3);
/// let second = StepIndex::instance(3, 1);
/// assert_eq!((second.step(), second.index()), (3, Some(1)));
/// assert_eq!((worker.step(), worker.index()), (3, None));
/// assert!(worker < second);
///
/// let undo = second.compensation();
/// assert_eq!((undo.step(), undo.index()), (3, Some(1)));
/// assert_eq!((undo.compensates(), second.compensates()), (Some(second), None));
/// assert!(second < undo); // compensations come after all steps
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepIndex(u32);

const PLACE_BITS: u32 = 14;
const PLACE: u32 = (1 << PLACE_BITS) - 1;
const INSTANCES: u32 = (u16::MAX as u32) << PLACE_BITS;
const COMPENSATION: u32 = 1 << 30;

impl StepIndex {
    /// The most instances one batch may have.
    pub const MAX_INSTANCES: u32 = u16::MAX as u32;

    /// Step `step` of the template.
    #[must_use]
    pub const fn of(step: u32) -> Self {
        Self(step & PLACE)
    }

    /// Instance `index` (from 0) of the batch worker at step `step`.
    #[must_use]
    pub const fn instance(step: u32, index: u32) -> Self {
        Self(((index + 1) << PLACE_BITS) | (step & PLACE))
    }

    /// Its place in the template.
    #[must_use]
    pub const fn step(self) -> u32 {
        self.0 & PLACE
    }

    /// Which batch instance it is, from 0.
    #[must_use]
    pub const fn index(self) -> Option<u32> {
        ((self.0 & !COMPENSATION) >> PLACE_BITS).checked_sub(1)
    }

    /// The compensation of this step.
    #[must_use]
    pub const fn compensation(self) -> Self {
        Self(self.0 | COMPENSATION)
    }

    /// For a compensation: the step or instance that it undoes.
    #[must_use]
    pub const fn compensates(self) -> Option<Self> {
        if self.0 & COMPENSATION == 0 { None } else { Some(Self(self.0 & !COMPENSATION)) }
    }

    /// The number as the store keeps it.
    #[must_use]
    pub const fn code(self) -> i32 {
        self.0.cast_signed()
    }

    /// The number read from the store, if it is one that a step may have.
    #[must_use]
    pub fn stored(code: i64) -> Option<Self> {
        let code = u32::try_from(code).ok().filter(|code| code & !(COMPENSATION | PLACE | INSTANCES) == 0)?;
        Some(Self(code))
    }

    /// The number with this code.
    #[must_use]
    pub const fn from_code(code: i32) -> Self {
        Self(code.cast_unsigned())
    }
}
