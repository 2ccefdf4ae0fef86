//! The role: how the redirector's parts are put together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use service::role::{Role, Settings};
use service::settings::TwilioSettings;
use service::{Host, Problems};
use twilio::PublicUrl;

use crate::{Redirector, RedirectorArgs, RedirectorSettings};

impl Role for RedirectorArgs {
    type Settings = RedirectorSettings;

    const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091);

    const NEEDS_PUBLIC_URL: bool = false;

    fn resolve(
        self,
        _twilio: Option<&TwilioSettings>,
        _public_url: Option<&PublicUrl>,
        problems: &mut Problems,
    ) -> Option<Self::Settings> {
        self.resolve(problems)
    }

    async fn run(settings: Settings<Self>, mut host: Host) -> anyhow::Result<()> {
        let client = settings.twilio.client()?;
        settings.twilio.follow_files(Some(client.clone()), None);
        let redirector = Redirector::new(&mut host, settings.role, client, settings.plans);
        let work = async {
            let worked = redirector.run().await;
            worked.context("the queue is no longer usable")
        };
        host.run(settings.admin, work).await
    }
}
