"""Traces of a small agent, recorded by MLflow's own client; run with the Python of its environment.

    python fill_mlflow.py URL EXPERIMENT COUNT

Each run is an agent that calls one tool, for the person `jane` in the session `s-1`; the tool's
span carries the id of an AWS request, as instrumented SDKs write it.
"""

import sys

import mlflow  # type: ignore[import-not-found,unused-ignore]  # of the peer's own environment


def main(url: str, experiment: str, count: str) -> None:
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment(experiment)
    for number in range(int(count)):
        _run(number)
    mlflow.flush_trace_async_logging()


def _run(number: int) -> None:
    with mlflow.start_span("report-agent", span_type="AGENT") as agent:
        agent.set_inputs({"question": "What does Jane Roe owe?"})
        agent.set_attribute("gen_ai.agent.name", "report-agent")
        mlflow.update_current_trace(
            metadata={"mlflow.trace.user": "jane", "mlflow.trace.session": "s-1"}
        )
        with mlflow.start_span("read_invoice", span_type="TOOL") as tool:
            tool.set_inputs({"number": number})
            tool.set_attribute("aws.request_id", f"REQ{number:013}")
            tool.set_outputs("Jane Roe owes nothing")


main(*sys.argv[1:])
