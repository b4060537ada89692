"""Metrics name few things and count every one of them."""

from prometheus_client.parser import text_string_to_metric_families

from relay.telemetry.metrics import Metrics, QueueDepth


def samples(metrics: Metrics) -> dict[str, float]:
    body, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{sample.name}[{labels}]" if labels else sample.name] = sample.value
    return found


def test_mail_is_counted_by_what_became_of_it() -> None:
    metrics = Metrics()
    assert samples(metrics)["posthouse_outcomes_total[bounced]"] == 0

    metrics.accepted(3)
    metrics.accepted(1, door="api")
    metrics.refused(550)
    metrics.delivered(2)
    metrics.deferred()
    metrics.bounced()

    found = samples(metrics)
    assert found["posthouse_accepted_total[smtp]"] == 3
    assert found["posthouse_accepted_total[api]"] == 1
    assert found["posthouse_refused_total[550,smtp]"] == 1
    assert found["posthouse_outcomes_total[delivered]"] == 2
    assert found["posthouse_outcomes_total[deferred]"] == 1
    assert found["posthouse_outcomes_total[bounced]"] == 1


def test_times_and_commits_are_histograms() -> None:
    metrics = Metrics()
    metrics.acceptance_took(0.004)
    metrics.delivery_took(2.0)
    metrics.committed(works=7, seconds=0.003)

    found = samples(metrics)
    assert found["posthouse_acceptance_seconds_bucket[0.002]"] == 0
    assert found["posthouse_acceptance_seconds_bucket[0.005]"] == 1
    assert found["posthouse_delivery_seconds_sum"] == 2.0
    assert found["posthouse_store_commit_works_sum"] == 7
    assert found["posthouse_store_commit_seconds_count"] == 1


def test_no_series_tells_when_another_was_created() -> None:
    metrics = Metrics()
    metrics.accepted()
    metrics.committed(works=1, seconds=0.001)

    body, _ = metrics.exposition()
    assert b"posthouse_accepted_total" in body
    assert b"posthouse_store_commit_seconds_count" in body
    assert b"_created" not in body


def test_the_queue_names_the_longest_destinations_and_sums_the_rest() -> None:
    metrics = Metrics(destinations=2)
    metrics.queue_is([QueueDepth(f"d{n}.example", n, oldest_seconds=100 - n) for n in range(1, 6)])
    found = samples(metrics)
    assert found["posthouse_queue_recipients[d5.example]"] == 5
    assert found["posthouse_queue_recipients[d4.example]"] == 4
    assert found["posthouse_queue_recipients[other]"] == 6
    assert found["posthouse_queue_oldest_seconds[other]"] == 99
    assert sum(name.startswith("posthouse_queue_recipients") for name in found) == 3

    metrics.queue_is([])
    assert not any(name.startswith("posthouse_queue") for name in samples(metrics))


def test_standings_go_up_and_down() -> None:
    metrics = Metrics()
    metrics.session_opened()
    metrics.session_opened()
    metrics.session_closed()
    metrics.budget_left_is(42)
    metrics.store_accepting_is(False)
    found = samples(metrics)
    assert found["posthouse_sessions[smtp]"] == 1
    assert found["posthouse_budget_left"] == 42
    assert found["posthouse_store_accepting"] == 0


def test_two_stations_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.delivered()
    assert samples(other)["posthouse_outcomes_total[delivered]"] == 0


def test_the_process_tells_what_it_costs() -> None:
    found = samples(Metrics())
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds"):
        assert found[f"process_{name}"] > 0
