//! `ringpost device --delete`: a device goes, with everything that names it.

use super::Target;
use super::admin_client::{AdminClient, ClientError};

/// Deletes a device. Like `app delete` it says nothing when it is done.
pub(super) fn device(appid: &str, cid: &str, target: &Target) -> Result<(), ClientError> {
    let client = AdminClient::new(target)?;
    let path = format!("/admin/v1/apps/{appid}/devices/{cid}");
    let answer = client.call("DELETE", &path, None)?;
    if target.json {
        println!("{answer}");
    }
    Ok(())
}
