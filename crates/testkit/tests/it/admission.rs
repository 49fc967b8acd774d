//! The denying webhook denies.

use driftless_testkit::{DenyingWebhook, Devcluster, Kind, unique};
use kube::api::{DynamicObject, PostParams};
use serde_json::json;

#[tokio::test]
async fn the_webhook_denies_until_it_is_removed() {
    let client = Devcluster::shared().client().await;
    let ns = unique("deny");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}});
    Kind::NAMESPACE.create(&client, "", namespace).await;
    let webhook = DenyingWebhook::register(&client, &ns, "not on a Friday").await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let api = Kind::CONFIG_MAP.api(&client, &ns);
    // The API server learns of a webhook by watching, a moment after it was created.
    let denied = loop {
        let object = DynamicObject::new(&unique("a"), &Kind::CONFIG_MAP.resource());
        if let Err(error) = api.create(&PostParams::default(), &object).await {
            break error.to_string();
        }
    };
    assert!(denied.contains("not on a Friday"), "{denied}");
    webhook.remove().await;
    while api.create(&PostParams::default(), &object).await.is_err() {}
}
