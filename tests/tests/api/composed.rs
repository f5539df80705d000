//! Handlers that ask a server and then decide, by attributes and by hand, on both stores.

use serde_json::{Value, json};
use support::databases;
use tasker_runtime::{
    StepError, Tasker,
    handler::{DecisionCapable, Endpoint, HandlerSpec, http::ApiCapable},
    handlers,
    prelude::*,
    registry::Registry,
    template::{Step, StepKind, Template},
};

use super::{
    client,
    server::{Reply, Server},
};

#[step_handler]
async fn pay_later(#[depends_on(check_credit)] decision: Decision) -> Result<Value, StepError> {
    Ok(json!({"score": decision.data::<u32>()?}))
}

#[step_handler]
async fn pay_now() -> &'static str {
    "now"
}

#[api(config = "credit")]
#[decision(routes = [pay_later, pay_now])]
#[step_handler]
async fn check_credit(customer: String, api: Api) -> Result<Decision, StepError> {
    let score: u32 = api.get("/score").query("customer", customer).await?;
    Ok(match score {
        0 => Decision::skip("nobody sells to this customer"),
        1..600 => Decision::route([pay_now]),
        _ => Decision::route([pay_later]).with_data(score),
    })
}

static CREDIT: Endpoint = Endpoint::configured("credit");
const ROUTES: &[&str] = &["pay_later", "pay_now"];

/// The same, written by hand.
struct CheckByHand;

impl ApiCapable for CheckByHand {
    fn endpoint(&self) -> &'static Endpoint {
        &CREDIT
    }
}

impl DecisionCapable for CheckByHand {
    fn routes(&self) -> &'static [&'static str] {
        ROUTES
    }
}

#[async_trait]
impl StepHandler for CheckByHand {
    fn name(&self) -> &str {
        "check_by_hand"
    }

    fn spec(&self) -> HandlerSpec {
        HandlerSpec::new().api(&CREDIT).decision(ROUTES)
    }

    async fn call(&self, step: &TaskSequenceStep) -> Result<Json, StepError> {
        let customer: String = step.context()?;
        let score: u32 = self.api(step)?.get("/score").query("customer", customer).await?;
        match score {
            0 => self.skip_branches("nobody sells to this customer"),
            1..600 => self.decision_success(["pay_now"], None),
            _ => self.decision_success(["pay_later"], Some(json!(score))),
        }
    }
}

register_handler!(CheckByHand);

fn template(handler: &str) -> Template {
    let check = Step::new("check_credit").kind(StepKind::Decision).handler(handler);
    let [later, now] = ["pay_later", "pay_now"].map(|name| Step::new(name).after(["check_credit"]));
    let builder = Template::builder(handler).namespace("test").step(check).step(later).step(now);
    builder.build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_of_a_server_decides() {
    let by_hand = Registry::discover().find("test", "check_by_hand").cloned().unwrap();
    for database in databases().await {
        let server = Server::start(|seen, _| match &*seen.target {
            "/score?customer=ada" => Reply::json(&json!(700)),
            "/score?customer=bob" => Reply::json(&json!(12)),
            _ => Reply::json(&json!(0)),
        })
        .await;
        let [by_attributes, now, later] = handlers![check_credit, pay_now, pay_later];
        let tasker = Tasker::builder()
            .database(&database.url)
            .registry(Registry::of([by_attributes, now, later, by_hand.clone()]))
            .template(template("check_credit"))
            .template(template("check_by_hand"))
            .state(client(&format!("[api.credit]\nbase_url = '{}'", server.url())))
            .start()
            .await
            .unwrap();
        for way in ["test/check_credit", "test/check_by_hand"] {
            for (customer, later, now) in [
                ("ada", json!({"score": 700}), json!(null)),
                ("bob", json!(null), json!("now")),
                ("eve", json!(null), json!(null)),
            ] {
                let answer: Value = tasker.run(way, customer).await.unwrap();
                let result = json!({"pay_later": later, "pay_now": now});
                assert_eq!(answer, result, "{database} {way} {customer}");
            }
        }
    }
}
