//! What setup and teardown work on.

use std::collections::BTreeMap;

use crate::api::Api;
use crate::args::Place;
use crate::console::Console;
use crate::definitions::Names;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::record::{Record, RecordFile};
use crate::step::{self, Step, Work};
use crate::workspace;

/// A workspace of the account: what is there, and what setup recorded of it.
pub(crate) struct Site<'a> {
    pub(crate) api: &'a Api,
    pub(crate) names: &'a Names,
    pub(crate) records: RecordFile,
    pub(crate) record: Option<Record>,
    pub(crate) inventory: Inventory,
}

impl<'a> Site<'a> {
    pub(crate) async fn open(api: &'a Api, place: &'a Place) -> Result<Self, Error> {
        let workspace = workspace::find(api, place.workspace).await?;
        let records = RecordFile::new(place.state_file.clone(), api.account, workspace.sid);
        let record = records.read()?;
        let inventory = Inventory::read(api, workspace, &place.names, record.as_ref()).await?;
        Ok(Self {
            api,
            names: &place.names,
            records,
            record,
            inventory,
        })
    }

    /// Shows what is going to be done. Whether that is anything.
    pub(crate) fn show(&self, steps: &[Step], console: &mut Console<'_>) -> bool {
        let workspace = &self.inventory.workspace;
        console.line(format_args!(
            "Workspace {:?} ({}) of account {}:\n",
            workspace.friendly_name, workspace.sid, self.api.account
        ));
        step::show(steps, console);
        steps.iter().any(Step::is_change)
    }

    /// Does it. What is replaced is written down in the record, if there is one.
    pub(crate) async fn carry_out(
        &self,
        steps: Vec<Step>,
        console: &mut Console<'_>,
    ) -> Result<(), Error> {
        let work = Work {
            api: self.api,
            workspace: self.inventory.workspace.sid,
            records: &self.records,
            record: self.record.clone(),
            console,
            made: BTreeMap::new(),
        };
        work.carry_out(steps).await
    }
}
