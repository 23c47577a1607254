//! `ringpost drain`: a running server ends in order.

use super::Target;
use super::admin_client::{AdminClient, ClientError};

/// Asks for a drain; says nothing when it has begun.
pub(super) fn run(target: &Target) -> Result<(), ClientError> {
    let answer = AdminClient::new(target)?.call("POST", "/admin/v1/drain", None)?;
    if target.json {
        println!("{answer}");
    }
    Ok(())
}
