//! What setup and teardown work on.

use std::path::PathBuf;

use twilio::WorkspaceSid;

use crate::api::Api;
use crate::args::Place;
use crate::definitions::Names;
use crate::error::Result;
use crate::inventory::Inventory;
use crate::record::Record;
use crate::workspace;

/// A workspace of the account: what is there, and what setup recorded of it.
pub(crate) struct Site {
    pub(crate) api: Api,
    pub(crate) names: Names,
    /// The file of the record.
    pub(crate) state_file: PathBuf,
    pub(crate) record: Record,
    pub(crate) inventory: Inventory,
}

impl Site {
    pub(crate) async fn open(api: &Api, place: &Place) -> Result<Self> {
        let workspace = workspace::find(api, place.workspace).await?;
        let record = Record::read(&place.state_file, api.account, workspace.sid)?;
        Ok(Self {
            inventory: Inventory::read(api, workspace, &place.names, &record).await?,
            api: api.clone(),
            names: place.names.clone(),
            state_file: place.state_file.clone(),
            record,
        })
    }

    pub(crate) fn workspace(&self) -> WorkspaceSid {
        self.inventory.workspace.sid
    }
}
