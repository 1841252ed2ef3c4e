//! The control plane alone: what the other cases build on works without Regate.

use anyhow::Result;

use crate::stage::Stage;

super::cases![an_api_server_without_regate_answers_kubectl_and_refuses_an_unknown_token];

fn an_api_server_without_regate_answers_kubectl_and_refuses_an_unknown_token(stage: &Stage) -> Result<()> {
    let plane = stage.plain()?;
    assert_eq!(
        plane.admin().must("create namespace plain")?,
        "namespace/plain created"
    );
    assert_eq!(
        plane.admin().must("get namespace plain -o name")?,
        "namespace/plain"
    );

    let stranger = plane.bearer("nobody-knows-me")?.run("get pods -n plain")?;
    assert_eq!(
        stranger.stderr,
        "error: You must be logged in to the server (Unauthorized)"
    );
    assert_eq!((stranger.code, stranger.stdout.as_str()), (1, ""));
    Ok(())
}
