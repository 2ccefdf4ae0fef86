//! The role: how ingest's parts are put together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use queue::Options;
use service::process::bind;
use service::role::{Role, Settings};
use service::settings::TwilioSettings;
use service::{Host, Problems};
use twilio::{PublicUrl, SignatureVerifier};

use crate::{Ingest, IngestArgs, IngestSettings};

impl Role for IngestArgs {
    type Settings = (IngestSettings, SignatureVerifier);

    const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

    const NEEDS_PUBLIC_URL: bool = true;

    fn resolve(
        self,
        twilio: Option<&TwilioSettings>,
        public_url: Option<&PublicUrl>,
        problems: &mut Problems,
    ) -> Option<Self::Settings> {
        let verifier = twilio.and_then(|twilio| twilio.verifier(problems));
        let settings = self.resolve(public_url, problems);
        if let (Some(twilio), Some(settings)) = (twilio, &settings)
            && twilio.client.api_url.is_twilio()
            && let Some(flaw) = settings.public_url.flaw()
        {
            problems.warn("PUBLIC_URL", flaw);
        }
        Some((settings?, verifier?))
    }

    fn adjust((settings, _): &Self::Settings, queue: &mut Options) {
        // Without a spool, no callback could be taken meanwhile.
        queue.waits_for_access = settings.spool.is_some();
        queue.publish_timeout = settings.publish_timeout;
    }

    async fn run(settings: Settings<Self>, mut host: Host) -> anyhow::Result<()> {
        let (own, verifier) = settings.role;
        let twilio = &settings.twilio;
        twilio.follow_files(None, Some(verifier.clone()));
        let listener = bind("LISTEN", own.listen).await?;
        let ingest = Ingest::new(&mut host, &own, twilio, verifier, settings.plans).await?;
        let (timeouts, stop) = (settings.admin.limits.timeouts, host.stop.clone());
        let serve = async {
            let served = ingest.serve(listener, timeouts, stop).await;
            served.context("LISTEN failed")
        };
        host.run(settings.admin, serve).await
    }
}
