//! From what is on offer to a handler of this process.

use std::{collections::HashMap, sync::Arc};

use crate::{
    dispatch::permits::Permits,
    model::{HandlerKey, Served},
    orchestration::share::Wanted,
    registry::{Registration, Registry},
};

/// A handler of this process that can run what is on offer.
#[derive(Clone)]
pub(super) struct Resolved {
    /// The handler of the step, whichever is offered of it: the step or its compensation.
    pub handler: Registration,
    /// Whose permit an attempt needs; `None`: a compensation that is not there, which takes no time.
    permit: Option<HandlerKey>,
}

impl Resolved {
    /// How many more attempts may run.
    pub(super) fn room(&self, permits: &Permits) -> usize {
        self.permit.as_ref().map_or(permits.free(), |key| permits.free_of(key))
    }
}

/// Remembers what was resolved, for as long as the registry stays the same.
#[derive(Default)]
pub(super) struct Resolver {
    epoch: u64,
    known: HashMap<String, Option<Arc<Resolved>>>,
}

/// More targets than this are not remembered: templates come and go.
const MAX_KNOWN: usize = 10_000;

impl Resolver {
    /// The handler that `target`, as it stands in offers, means here; `None` where there is none or its queue
    /// is not served.
    pub(super) fn resolve(
        &mut self,
        registry: &Registry,
        served: &Served,
        target: &str,
    ) -> Option<Arc<Resolved>> {
        if self.epoch != registry.epoch() || self.known.len() > MAX_KNOWN {
            self.epoch = registry.epoch();
            self.known.clear();
        }
        if let Some(known) = self.known.get(target) {
            return known.clone();
        }
        let resolved = resolve(registry, served, target).map(Arc::new);
        self.known.insert(target.to_owned(), resolved.clone());
        resolved
    }
}

fn resolve(registry: &Registry, served: &Served, target: &str) -> Option<Resolved> {
    let Wanted { target, compensation } = Wanted::from_text(target)?;
    let handler = match &target.namespace {
        None => registry.by_key(&target.handler)?,
        Some(namespace) => registry.find(namespace, target.handler.as_str()).ok()?,
    };
    let own = || handler.spec().queue.clone();
    let queue = target.queue.clone().or_else(own).or_else(|| target.namespace.clone())?;
    if !served.has(&queue) {
        return None;
    }
    let permit = match compensation {
        true => registry.compensation_of(handler).map(Registration::key),
        false => Some(handler.key()),
    };
    Some(Resolved { handler: handler.clone(), permit: permit.cloned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {

    use super::*;
    use crate::{
        handler::{HandlerSpec, StepHandler, TaskSequenceStep},
        model::{Json, StepError},
    };

    struct Named(&'static str, HandlerSpec);

    impl StepHandler for Named {
        fn name(&self) -> &str {
            self.0
        }

        async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
            step.output(self.0)
        }

        fn spec(&self) -> HandlerSpec {
            self.1.clone()
        }
    }

    /// `resolve_mint.coin` of the press, `coin`, and what compensates that.
    fn registry() -> Registry {
        let spec = HandlerSpec::new;
        let of = |name, spec| Registration::of(Arc::new(Named(name, spec)));
        let mint = of("coin", spec().namespace("resolve_mint").queue("press"));
        Registry::of([mint, of("coin", spec()), of("melt", spec().compensates("coin"))])
    }

    fn key(served: &Served, target: &str) -> Option<String> {
        let aliases = [("old.coin".to_owned(), "coin".to_owned())].into();
        resolve(&registry().with_aliases(aliases), served, target)
            .map(|resolved| resolved.handler.key().to_string())
    }

    #[test]
    fn what_a_template_writes_is_resolved_in_its_namespace() {
        let all = Served::default();
        let of = |target| key(&all, target);
        assert_eq!(of(r#"["coin","resolve_mint",null,false]"#).unwrap(), "resolve_mint.coin");
        assert_eq!(of(r#"["old.coin","shop",null,false]"#).unwrap(), "coin");
        assert_eq!(of(r#"["crate::steps::Coin","shop",null,false]"#), None, "two may be meant");
        assert_eq!(of(r#"["resolve_mint.coin","shop",null,false]"#).unwrap(), "resolve_mint.coin");
    }

    #[test]
    fn key_means_that_very_handler() {
        let all = Served::default();
        assert_eq!(key(&all, r#"["coin",null,"q",false]"#).unwrap(), "coin");
        assert_eq!(key(&all, r#"["old.coin",null,"q",false]"#), None, "an alias is not a key");
        assert_eq!(key(&all, "of an older version"), None);
    }

    #[test]
    fn queue_is_that_of_the_offer_then_of_the_handler_then_of_the_namespace() {
        let press = Served::of(["press".to_owned()]);
        let mint = Served::of(["resolve_mint".to_owned()]);
        let silent = r#"["coin","resolve_mint",null,false]"#;
        assert!(key(&press, silent).is_some() && key(&mint, silent).is_none());
        let said = r#"["coin","resolve_mint","resolve_mint",false]"#;
        assert!(key(&press, said).is_none() && key(&mint, said).is_some());
        let shop = Served::of(["shop".to_owned()]);
        assert!(key(&shop, r#"["coin","shop",null,false]"#).is_some());
    }

    #[test]
    fn compensation_has_the_permits_of_what_compensates() {
        let permit = |target| resolve(&registry(), &Served::default(), target).unwrap().permit;
        assert_eq!(permit(r#"["coin",null,"q",true]"#).unwrap(), "melt");
        assert_eq!(permit(r#"["coin","resolve_mint",null,true]"#), None, "nothing compensates it");
    }
}
