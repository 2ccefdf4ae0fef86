//! What all resources have in common: how they are found, fetched, listed, created and deleted.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use twilio::WorkspaceSid;

use super::error::ApiError;
use super::paging::page;
use super::request::ApiRequest;
use crate::ids::Sid;
use crate::ordered::Ordered;
use crate::state::State;

/// A kind of resource.
pub(super) trait Resource: Sized {
    type Sid: Sid;

    /// Its name in lists.
    const LIST: &'static str;

    fn all(state: &State) -> &Ordered<Self::Sid, Self>;

    fn all_mut(state: &mut State) -> &mut Ordered<Self::Sid, Self>;

    fn sid(&self) -> Self::Sid;

    /// Notes the time of a change.
    fn changed(&mut self, now: Timestamp);

    fn show(&self, state: &State) -> Value;

    fn show_in_list(&self, state: &State) -> Value {
        self.show(state)
    }

    /// The workspace that it belongs to; `None` if it belongs to the account.
    fn workspace(&self) -> Option<WorkspaceSid> {
        None
    }

    /// Whether the path names its workspace, if it belongs to one.
    fn is_below(&self, request: &ApiRequest) -> bool {
        let workspace = self.workspace();
        workspace.is_none_or(|workspace| request.workspace() == Ok(workspace))
    }

    /// A name that is unique in its workspace, and by which lists can be filtered.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Whether the query wants it in the list.
    fn is_wanted(&self, request: &ApiRequest) -> Result<bool, ApiError> {
        let wanted = request
            .query("FriendlyName")
            .filter(|_| self.name().is_some());
        Ok(wanted.is_none() || wanted == self.name())
    }
}

/// The part of [`Resource`] that says where the state keeps them: `kept!(SID, field, list)`.
macro_rules! kept {
    ($sid:ty, $field:ident, $list:literal) => {
        type Sid = $sid;

        const LIST: &'static str = $list;

        fn all(state: &State) -> &Ordered<$sid, Self> {
            &state.$field
        }

        fn all_mut(state: &mut State) -> &mut Ordered<$sid, Self> {
            &mut state.$field
        }

        fn sid(&self) -> $sid {
            self.sid
        }

        fn changed(&mut self, now: Timestamp) {
            self.dates.updated = now;
        }
    };
}
pub(super) use kept;

/// The resource that the path names.
pub(super) fn find<'a, T: Resource>(
    state: &'a State,
    request: &ApiRequest,
) -> Result<&'a T, ApiError> {
    let found = T::all(state).get(&request.sid("Sid")?);
    let found = found.filter(|resource| resource.is_below(request));
    found.ok_or_else(|| request.not_found())
}

pub(super) fn fetch<T: Resource>(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let found = find::<T>(state, request)?;
    Ok(Json(found.show(state)).into_response())
}

pub(super) fn list<T: Resource>(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let mut items = Vec::new();
    for (number, _, resource) in T::all(state).entries() {
        if resource.is_below(request) && resource.is_wanted(request)? {
            items.push(((0, number.cast_signed()), resource));
        }
    }
    page(state, request, T::LIST, items, |resource| {
        resource.show_in_list(state)
    })
}

/// Changes the resource that the path names, and shows it.
pub(super) fn change<T: Resource>(
    state: &mut State,
    request: &ApiRequest,
    change: impl FnOnce(&mut T),
) -> Result<Response, ApiError> {
    let now = state.now();
    let found = T::all_mut(state).get_mut(&request.sid("Sid")?);
    let found = found.filter(|resource| resource.is_below(request));
    let found = found.ok_or_else(|| request.not_found())?;
    change(found);
    found.changed(now);
    fetch::<T>(state, request)
}

/// Adds a new resource, and shows it.
pub(super) fn create<T: Resource>(state: &mut State, resource: T) -> Response {
    let shown = resource.show(state);
    T::all_mut(state).insert(resource.sid(), resource);
    (StatusCode::CREATED, Json(shown)).into_response()
}

pub(super) fn delete<T: Resource>(
    state: &mut State,
    request: &ApiRequest,
) -> Result<Response, ApiError> {
    let sid = find::<T>(state, request)?.sid();
    T::all_mut(state).remove(&sid);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Checks that no other resource in the workspace has the name.
pub(super) fn check_name<T: Resource>(
    state: &State,
    request: &ApiRequest,
    kind: &str,
    name: &str,
    except: Option<T::Sid>,
) -> Result<(), ApiError> {
    let is_taken = T::all(state).values().any(|other| {
        other.is_below(request) && other.name() == Some(name) && except != Some(other.sid())
    });
    match is_taken {
        true => Err(ApiError::invalid(format!(
            "{kind} with FriendlyName {name} already exists in the workspace"
        ))),
        false => Ok(()),
    }
}

/// A resource's own fields, and the others that Twilio shows.
pub(super) fn shown(resource: &impl Serialize, mut others: Value) -> Value {
    if let (Value::Object(others), Value::Object(own)) = (&mut others, json!(resource)) {
        others.extend(own);
    }
    others
}

/// A resource's links to what belongs to it, by name: `task_queues` is at `…/TaskQueues`.
pub(super) fn links(url: &str, names: &str) -> Map<String, Value> {
    names
        .split_whitespace()
        .map(|name| (name.to_owned(), format!("{url}/{}", camel(name)).into()))
        .collect()
}

/// `TaskQueues` for `task_queues`.
pub(super) fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(1);
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}
