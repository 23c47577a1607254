//! `--keep`: server and devices stay, for pushes by hand.
//!
//! Owner: the main thread. Always: ends with a signal, or with the server.

use super::Stage;
use super::fault::Fault;
use super::news::News;
use crate::bootstrap::Bootstrap;
use crate::third_party::{BlockingThirdParty, Credentials};

/// Prints a line to push with and then what arrives, until a signal comes.
pub(super) fn stay(bootstrap: &Bootstrap, cids: &[String], stage: &mut Stage) -> Result<(), Fault> {
    let client = BlockingThirdParty::new(&bootstrap.http, Credentials::from(bootstrap))?;
    let token = client.token()?;
    let cid = cids.first().map_or("", String::as_str);
    println!("\nThe server and the devices stay; Ctrl-C ends them. To push by hand:\n");
    println!("{}\n", curl_line(bootstrap, &token, cid));
    loop {
        match stage.next() {
            Ok(Some(News::Received { message, .. })) => {
                println!("a device received {}", message.task_id);
            }
            Ok(_) => {}
            Err(Fault::Interrupted) => return Ok(()),
            Err(fault) => return Err(fault),
        }
    }
}

/// Each paste makes a request id of its own, or the second would be a repeat.
fn curl_line(bootstrap: &Bootstrap, token: &str, cid: &str) -> String {
    let url = bootstrap.http.trim_end_matches('/');
    let app_id = &bootstrap.app.appid;
    format!(
        "curl -s {url}/v2/{app_id}/push/single/cid -H 'content-type: application/json' -H 'token: {token}' \
         -d '{{\"request_id\":\"'$(date +%s%N)'\",\"audience\":{{\"cid\":[\"{cid}\"]}},\
         \"push_message\":{{\"transmission\":\"hello\"}}}}'"
    )
}
