//! Embeddings that instances share through a real Redis.

use perfdeck_tests::redis::Server;

use super::super::vector::{Model, Vector, VectorCache, VectorError};
use super::shared::{attached, instance, until};
use super::*;

async fn embed(vectors: &VectorCache, loads: &Arc<AtomicU64>) -> Result<Vector, VectorError<()>> {
    let model = vectors.model(Model::new("openai", "small", 3)).redis();
    let loads = Arc::clone(loads);
    let embed = || async move {
        loads.fetch_add(1, Ordering::SeqCst);
        Ok(vec![0.5, -0.0, f32::MIN_POSITIVE])
    };
    model
        .get_or_embed("a text that nobody else sees", embed)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_instance_embeds_the_others_take_bit_by_bit() {
    let server = Server::start().unwrap();
    let ((one, _), (two, _)) = (instance(&server), instance(&server));
    let [first, second] = [&one, &two].map(VectorCache::of);
    attached(&[&one, &two]);
    let loads = Arc::new(AtomicU64::new(0));
    let made = embed(&first, &loads).await.unwrap();
    let keys = "return table.concat(redis.call('KEYS', 'pd1:shop:v:*'), ' ')";
    let stored = || server.ask(&["EVAL", keys, "0"]).unwrap();
    until("stored", Duration::from_secs(20), || {
        stored().contains("vectors")
    });
    assert!(!stored().contains("nobody"));
    let taken = embed(&second, &loads).await.unwrap();
    let bits = |vector: &Vector| {
        vector
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&taken), bits(&made));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}
