//! Which workspace: the Flex one, or the one that is named.

use twilio::WorkspaceSid;
use twilio::rest::Workspace;

use crate::api::Api;
use crate::definitions::DEFINITIONS;
use crate::error::{Doing, Error};

/// Finds the workspace: by its SID if one is given, else by the name that Flex gives it.
pub(crate) async fn find(api: &Api, named: Option<WorkspaceSid>) -> Result<Workspace, Error> {
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
    let (mut matching, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|w| w.friendly_name == *name);
    match matching.len() {
        0 => {
            let others: Vec<_> = others
                .iter()
                .map(|other| format!("{:?} ({})", other.friendly_name, other.sid))
                .collect();
            let others = match others.is_empty() {
                true => ", nor any other".to_owned(),
                false => format!(", only {}", others.join(", ")),
            };
            Err(Error::NoWorkspace {
                name: name.clone(),
                others,
            })
        }
        1 => Ok(matching.remove(0)),
        _ => Err(clash(
            "workspace",
            name,
            matching.iter().map(|w| w.sid),
            "Say which one by --workspace WS…",
        )),
    }
}

/// Several resources where there should be one.
pub(crate) fn clash(
    kind: &'static str,
    name: &str,
    sids: impl Iterator<Item = impl ToString>,
    remedy: &'static str,
) -> Error {
    let sids: Vec<_> = sids.map(|sid| sid.to_string()).collect();
    Error::Clash {
        kind,
        name: name.to_owned(),
        sids: sids.join(", "),
        remedy,
    }
}

/// The one resource of that name, if there is one.
pub(crate) fn only<T, S: ToString>(
    kind: &'static str,
    name: &str,
    matching: Vec<T>,
    sid: impl Fn(&T) -> S,
) -> Result<Option<T>, Error> {
    if matching.len() > 1 {
        let remedy = "Rename or delete all but one of them in the console, or choose another \
                      prefix by --prefix.";
        return Err(clash(kind, name, matching.iter().map(sid), remedy));
    }
    Ok(matching.into_iter().next())
}
