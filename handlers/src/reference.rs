//! The numbers of payments, orders and parcels.

use sha2::{Digest, Sha256};
use tasker_runtime::prelude::*;

/// A number like `PAY-1F2E3D4C5B6A`, always the same for the same key.
///
/// It plays the part of an outside service that, shown a key again, answers with what it did the first time.
pub fn reference(prefix: &str, key: &IdempotencyKey) -> String {
    let digest = Sha256::digest(key.as_str());
    let digits: String = digest.iter().take(6).map(|byte| format!("{byte:02X}")).collect();
    format!("{prefix}-{digits}")
}
