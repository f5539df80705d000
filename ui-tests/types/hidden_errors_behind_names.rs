use tasker_runtime::prelude::*;

type Weighed = Option<Result<u64, StepError>>;
type Parcels = Result<Vec<Result<u8, String>>, StepError>;
type Quote = Result<char, u8>;
type Fallible<T> = Result<T, String>;

#[step_handler]
async fn weigh(grams: u64) -> Weighed {
    Some(Ok(grams))
}

#[step_handler]
async fn parcel() -> Parcels {
    Ok(Vec::new())
}

#[step_handler]
async fn quote() -> Result<Vec<Quote>, StepError> {
    Ok(Vec::new())
}

#[step_handler]
async fn invoice() -> Result<(Fallible<u8>, bool), StepError> {
    Ok((Ok(1), true))
}

mod own {
    pub type Result<T> = std::result::Result<T, String>;
}

#[step_handler]
async fn label() -> Option<own::Result<u8>> {
    None
}

fn main() {}
