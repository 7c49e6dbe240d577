#!/usr/bin/env python3
"""Times galago and its peers on the same model file, one after the other in every round, and prints medians.

python3 compare.py run MODEL.gguf --log LOG [--rounds 3] [-p 512] [-n 32] [-d 0] [-t 2] --galago GALAGO
                   [--llama LLAMA_NATIVE LIBRARIES] [--node FOLDER] [--ik IK_NATIVE]
python3 compare.py report LOG

LOG gets a JSON object a round, so rounds may be taken at different times. What ran while other programs used more than
8 % of a processor is taken again. The bandwidth that galago's bench measures beside its own decoding stands
for the whole round.
"""
import argparse
import collections
import json
import pathlib
import resource
import statistics
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
OTHERS = 0.08  # of one processor
TRIES = 4


def busy_seconds():
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / 100  # without idle and waiting for disks


def own_seconds():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def output(command, folder=None):
    """Its standard output, and the share of a processor that other programs took meanwhile."""
    begin, busy, own = time.monotonic(), busy_seconds(), own_seconds()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    others = (busy_seconds() - busy) - (own_seconds() - own)
    return done.stdout, others / (time.monotonic() - begin)


def run_galago(o):
    command = [o.galago, "bench", o.model, "-t", o.threads, "-p", o.prompt if o.prompt != "0" else "1", "-n", o.gen,
               "--depth", o.depth, "-r", "1", "--json", "--quiet"]
    text, others = output(command)
    speeds, probe = {}, None
    for row in json.loads(text)["rows"]:
        words, value = row["what"].split(), row["median"]["cpu"]
        if words[0] == "prompt" and o.prompt != "0":
            speeds[f"p{words[1]}"] = value
        if words[0] == "generate":
            speeds[f"n{words[1]}@{words[3]}"] = value
            speeds[f"limit@{words[3]}"] = row["limit"]
    return {"galago": speeds}, others


def run_json(command, folder=None):
    text, others = output(command, folder)
    result = json.loads(text)
    return {result["engine"]: {k: v for k, v in result.items() if k[0] in "pn"}}, others


def run_node(o):
    return run_json(["node", str(HERE / "llama_bench.mjs"), o.model, "-t", o.threads, "-p", o.prompt, "-n", o.gen, "-d",
                     o.depth, "-r", "1"], o.node)


def run_llama(o):
    program, libraries = o.llama
    return run_json([program, o.model, libraries, o.threads, o.prompt, o.gen, o.depth])


def run_ik(o):
    """As loaded, and with the weights packed at load."""
    engines, others = {}, 0
    for option in "plain", "packed":
        speeds, share = run_json([o.ik, o.model, option, o.threads, o.prompt, o.gen, o.depth])
        engines.update(speeds)
        others = max(others, share)
    return engines, others


def undisturbed(contestant, o):
    """Its speeds; taken again while other programs run. None: they always did."""
    for _ in range(TRIES):
        speeds, others = contestant(o)
        if others <= OTHERS:
            return speeds
        print(f"again, other programs used {100 * others:.0f} % of a processor: {json.dumps(speeds)}", flush=True)
    return None


def run(o):
    contestants = [run_galago] + [run_llama] * bool(o.llama) + [run_node] * bool(o.node) + [run_ik] * bool(o.ik)
    for _ in range(o.rounds):
        results = {}
        for contestant in contestants:
            speeds = undisturbed(contestant, o)
            if speeds is None:
                raise SystemExit("other programs ran all the time: this round does not count")
            results.update(speeds)
        print(json.dumps(results), flush=True)
        entry = {"model": pathlib.Path(o.model).name, "threads": int(o.threads), "results": results}
        with open(o.log, "a") as log:
            log.write(json.dumps(entry) + "\n")


def report(o):
    samples = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in open(o.log):
        entry = json.loads(line)
        own = entry["results"]["galago"]
        for engine, speeds in entry["results"].items():
            for what, speed in speeds.items():
                if not what.startswith("limit"):
                    limit = own.get("limit@" + what.split("@")[1]) if "@" in what else None
                    ratio = own[what] / speed
                    samples[entry["model"], entry["threads"], what][engine].append((speed, ratio, limit and speed / limit))
    print("| model | threads | what | engine | tok/s (median of rounds) | galago is faster by | share of the bandwidth |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (model, threads, what), engines in samples.items():
        for engine, rows in engines.items():
            speed, ratio = (statistics.median(row[i] for row in rows) for i in (0, 1))
            share = f"{100 * statistics.median(row[2] for row in rows):.0f} %" if rows[0][2] else ""
            print(f"| {model} | {threads} | {what} | {engine} | {speed:.1f} ({len(rows)}) | {ratio:.2f} | {share} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    r = commands.add_parser("run")
    r.set_defaults(act=run)
    r.add_argument("model")
    r.add_argument("--log", required=True)
    r.add_argument("--rounds", type=int, default=3)
    r.add_argument("-p", "--prompt", default="512", help="0: none")
    r.add_argument("-n", "--gen", default="32")
    r.add_argument("-d", "--depth", default="0")
    r.add_argument("-t", "--threads", default="2")
    r.add_argument("--galago", required=True)
    r.add_argument("--llama", nargs=2, help="llama_native and the folder of the package's libraries")
    r.add_argument("--node", help="the folder in which node-llama-cpp was installed")
    r.add_argument("--ik", help="llama_native built with -DIK")
    r = commands.add_parser("report")
    r.set_defaults(act=report)
    r.add_argument("log")
    o = parser.parse_args()
    o.act(o)


if __name__ == "__main__":
    main()
