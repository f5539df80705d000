//! The example of a workflow that starts another one for each member of a team.

use handlers::team_onboarding::{Team, member_onboarding, team_onboarding};
use support::world::{settled, worlds};
use tasker_runtime::{api::Submission, model::TaskState, registry::Registry};

#[tokio::test]
async fn each_member_has_a_task_and_one_that_fails_is_told() {
    for world in worlds().await {
        let builder = world.builder(&[]).registry(Registry::discover());
        let templates = [member_onboarding.template().unwrap(), team_onboarding.template().unwrap()];
        let tasker = templates.into_iter().fold(builder, |builder, template| builder.template(template));
        let tasker = tasker.start().await.unwrap();
        let members = ["Ada", "Root", "Grace", "Edsger", "Barbara"].map(str::to_owned).to_vec();
        let team = Team { name: "compilers".to_owned(), members };
        let submission = Submission::to("people/team_onboarding").context(&team).unwrap();
        let task = tasker.submit(submission).await.unwrap();
        let report = settled(&tasker, task).await;
        assert_eq!(
            report.result,
            "ada sits at 94; one has no account (failed for good: member_account); grace sits at 14; \
             edsger sits at 34; barbara sits at 15",
            "{}",
            world.database
        );
        let states: Vec<TaskState> = report.children.iter().map(|child| child.state).collect();
        let (complete, error) = (TaskState::Complete, TaskState::Error);
        assert_eq!(states, [complete, error, complete, complete, complete], "{}", world.database);
        tasker.stop().await.unwrap();
    }
}
