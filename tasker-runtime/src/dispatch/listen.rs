//! Hears what other processes announce and passes it on inside this one.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{announce::News, engine::Shared};
use crate::store::Listener;

/// A connection that said nothing for this long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(10);
/// The pause before the next try after a connection was lost.
const RETRY: Duration = Duration::from_millis(500);

/// Listens until the engine stops; a connection that is lost is replaced, and everything looked at anew.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            lost = listen(&shared) => {
                shared.listening.store(false, Ordering::Relaxed);
                if let Err(error) = lost {
                    tracing::warn!(%error, "no news from other processes; looking at the usual times until they come again");
                }
            }
        }
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn listen(shared: &Shared) -> crate::store::Result<()> {
    let Some(mut listener) = Listener::open(&shared.store).await? else {
        shared.stopping.cancelled().await;
        return Ok(());
    };
    shared.listening.store(true, Ordering::Relaxed);
    // What was announced before now was not heard.
    shared.hint_all();
    for news in [&shared.asked, &shared.offered, &shared.returned, &shared.met] {
        news.notify_one();
    }
    loop {
        match tokio::time::timeout(SILENCE, listener.next()).await {
            Ok(text) => hear(shared, &text?),
            Err(_) => listener.check().await?,
        }
    }
}

fn hear(shared: &Shared, text: &str) {
    for news in text.lines().filter_map(News::from_text) {
        match news {
            News::Queue(queue) if shared.queues.contains(&queue) => shared.hint(&queue),
            News::Queue(_) => {}
            News::Command => shared.asked.notify_one(),
            News::Offer => shared.offered.notify_one(),
            News::Returned(worker) if worker == shared.worker().0 => shared.returned.notify_one(),
            News::Returned(_) => {}
            News::Company => shared.met.notify_one(),
        }
    }
}
