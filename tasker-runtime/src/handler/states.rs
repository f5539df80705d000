//! What the program hands to its handlers.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The values that a program gave to its handlers, one of each type.
///
/// ```
/// use tasker_runtime::handler::States;
///
/// let mut states = States::default();
/// states.insert(7_u8);
/// assert_eq!(states.get::<u8>().as_deref(), Some(&7));
/// assert_eq!(states.get::<u16>(), None);
/// ```
#[derive(Clone, Default)]
pub struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    /// Adds a value. One of the same type that was there before is replaced.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Says that a value of type `T` will be there, without one: for checks alone.
    pub(crate) fn promise<T: 'static>(&mut self) {
        self.0.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(()));
    }

    /// The value of type `T`.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }

    /// Whether there is a value of this type.
    #[must_use]
    pub fn has(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({} values)", self.0.len())
    }
}
