//! The file of a SQLite database is deleted, moved or replaced while processes use it: what they write then would be
//! lost, so they acknowledge nothing and end.

use std::{fs, path::PathBuf, time::Duration};

use support::{
    fresh_sqlite,
    stage::{step, template},
    world::{World, settled},
};
use tasker_runtime::api::Submission;

fn path(world: &World) -> PathBuf {
    world.database.url.strip_prefix("sqlite://").unwrap().into()
}

#[tokio::test]
async fn nothing_is_acknowledged_once_the_file_is_gone_and_the_worker_ends() {
    let template = template("gone", [step("a", &[])]);
    for replaced in [false, true] {
        let world = World::on(fresh_sqlite());
        let tasker = world.start(&template).await;
        let before = tasker.submit(Submission::to("test/gone")).await.unwrap();
        settled(&tasker, before).await;
        let path = path(&world);
        if replaced {
            let copy = path.with_extension("copy");
            fs::copy(&path, &copy).unwrap();
            fs::rename(&copy, &path).unwrap();
        } else {
            fs::rename(&path, path.with_extension("moved")).unwrap();
        }
        let refused = tasker.submit(Submission::to("test/gone")).await.unwrap_err().to_string();
        let what = if replaced { "was replaced by another file" } else { "was deleted or moved away" };
        assert!(refused.contains(what), "{refused}");
        let time_passes = async {
            loop {
                world.clock.advance(Duration::from_secs(1));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let broken = async {
            tokio::select! {
                () = tasker.broken() => {}
                () = time_passes => {}
            }
        };
        tokio::time::timeout(Duration::from_secs(60), broken).await.unwrap();
    }
}
