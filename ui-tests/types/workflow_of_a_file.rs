use tasker_runtime::prelude::*;

#[step_handler]
async fn whisk() {}

#[step_handler]
async fn serve() {}

template!(whisking = "whisking.yaml", handlers = [whisk]);

workflow!(serving = [serve, ..whisking]);

fn main() {}
