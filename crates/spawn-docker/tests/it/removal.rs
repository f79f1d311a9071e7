use jansky_settings::ContainerRemoval;
use jansky_spawn::{PollStatus, ProgressSink, Spawner, StopMode};

use crate::bench::{Bench, SERVER, container, get, spec, stop, until};

#[tokio::test]
async fn a_kept_container_goes_on_in_the_next_start() {
    let script = "
import os
open('/tmp/starts', 'a').write('x')
print(os.stat('/tmp/starts').st_size, flush=True)
";
    let mut bench = Bench::python(&format!("{script}{SERVER}"));
    bench.settings.removal = ContainerRemoval::Keep;
    let spawner = bench.spawner();
    let first = bench.start(&spawner).await;
    until("it answers", async || get(&first, "/")).await;
    spawner
        .stop(&first.handle, StopMode::Polite)
        .await
        .expect("it ends");
    assert!(spawner.list().await.expect("listed").is_empty());

    let second = spawner
        .start(&spec(1, 2), &ProgressSink::discard())
        .await
        .expect("it starts again");

    assert_eq!(container(&second.handle), container(&first.handle));
    until("it answers", async || get(&second, "/")).await;
    let log = spawner.log_tail(&second.handle).await;
    assert!(log.contains("2\nlistening"), "{log}");
    // The first start is over, whatever its container does.
    assert!(matches!(
        spawner.poll(&first.handle).await,
        PollStatus::Exited { .. }
    ));
    stop(&spawner, &first.handle).await;
    assert_eq!(spawner.poll(&second.handle).await, PollStatus::Running);
    let listed = spawner.list().await.expect("listed");
    assert_eq!(listed[0].start, spec(1, 2).start);

    stop(&spawner, &second.handle).await;
    assert_eq!(bench.containers().len(), 1);
    spawner.remove(spec(1, 2).server).await.expect("removed");
    assert!(bench.containers().is_empty());
}

#[tokio::test]
async fn a_kept_container_of_other_settings_is_replaced() {
    let mut bench = Bench::python(SERVER);
    bench.settings.removal = ContainerRemoval::Keep;
    let spawner = bench.spawner();
    let first = bench.start(&spawner).await;
    stop(&spawner, &first.handle).await;
    bench.settings.pids_limit = 50;

    let second = bench
        .spawner()
        .start(&spec(1, 2), &ProgressSink::discard())
        .await
        .expect("it starts");

    assert_eq!(bench.containers(), [container(&second.handle)]);
    assert_ne!(second.handle, first.handle);
}
