//! When a workflow starts by itself is checked while the program is compiled.

use tasker_runtime::prelude::*;

#[step_handler]
async fn sweep() {}

workflow!(hourly = [sweep], schedule = "0 * * * *");
workflow!(nightly = [sweep], schedule(cron = "0 25 * * *"));
workflow!(leap = [sweep], schedule(cron = "0 0 31 2 *", timezone = "Europe/Berlin"));
workflow!(zoned = [sweep], schedule(cron = "0 6 * * *", timezone = "Berlin"));
workflow!(short = [sweep], schedule(every = "10ms"));
workflow!(never = [sweep], schedule(timezone = "Europe/Berlin"));
workflow!(both = [sweep], schedule(cron = "@daily", every = "1h"));
workflow!(filled = [sweep], schedule(cron = "@daily", input = "{"));
workflow!(holed = [sweep], schedule(cron = "@daily", input = r#"{"at": "{{scheduled}}"}"#));
workflow!(spelled = [sweep], schedule(crontab = "@daily"));
workflow!(stopped = [sweep], schedule(cron = "@daily", paused = "yes"));
workflow!(strict = [sweep], schedule(cron = "@daily", overlap = "queued"));

fn main() {}
