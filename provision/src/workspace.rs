//! Which workspace: the Flex one, or the one that is named.

use twilio::WorkspaceSid;
use twilio::rest::Workspace;

use crate::api::Api;
use crate::definitions::DEFINITIONS;
use crate::error::{Doing, Error, Result};

/// Finds the workspace: by its SID if one is given, else by the name that Flex gives it.
pub(crate) async fn find(api: &Api, named: Option<WorkspaceSid>) -> Result<Workspace> {
    if let Some(sid) = named {
        return api
            .client
            .workspace(&sid)
            .await
            .doing("read the workspace")?
            .ok_or(Error::UnknownWorkspace(sid));
    }
    let all = api.client.workspaces().await.doing("list the workspaces")?;
    let name = &DEFINITIONS.workspace;
    let (matching, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|w| w.friendly_name == *name);
    let remedy = "Say which one by --workspace WS…";
    only("workspace", name, matching, |w| w.sid, remedy)?.ok_or_else(|| {
        let others: Vec<_> = others
            .iter()
            .map(|other| format!("{:?} ({})", other.friendly_name, other.sid))
            .collect();
        Error::NoWorkspace {
            name: name.clone(),
            others: match others.is_empty() {
                true => ", nor any other".to_owned(),
                false => format!(", only {}", others.join(", ")),
            },
        }
    })
}

/// The one resource of that name, if there is one.
pub(crate) fn only<T, S: ToString>(
    kind: &'static str,
    name: &str,
    mut matching: Vec<T>,
    sid: impl Fn(&T) -> S,
    remedy: &'static str,
) -> Result<Option<T>> {
    if matching.len() > 1 {
        let sids: Vec<_> = matching.iter().map(|one| sid(one).to_string()).collect();
        return Err(Error::Clash {
            kind,
            name: name.to_owned(),
            sids: sids.join(", "),
            remedy,
        });
    }
    Ok(matching.pop())
}
