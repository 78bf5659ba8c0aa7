"""A SimPy host: processes wait for flows on a fabric as for any other event of SimPy."""

import simpy

import cm_collectives as cm


class Network:
    """Flows as SimPy events; one process sleeps until the next arrival or until something joins."""

    def __init__(self, env: simpy.Environment, fabric: cm.Fabric) -> None:
        self.env, self.session = env, fabric.session()
        self.joined = env.event()
        env.process(self.run())

    def send(self, src: int, dst: int, size_bytes: int) -> simpy.Event:
        """Return an event that happens when the last byte has arrived."""
        arrived = self.env.event()
        self.session.inject(int(self.env.now), src, dst, size_bytes, tag=arrived)
        self.joined.succeed()
        self.joined = self.env.event()
        return arrived

    def run(self) -> simpy.events.ProcessGenerator:
        """Wake up whoever waits for what has arrived."""
        while True:
            for arrival in self.session.advance_to(int(self.env.now)):
                arrival.tag.succeed(arrival.time_ps)
            promise = self.session.next_event_ps()
            sleep = [] if promise is None else [self.env.timeout(promise - self.env.now)]
            yield self.env.any_of([*sleep, self.joined])


def worker(env: simpy.Environment, network: Network, die: int) -> simpy.events.ProcessGenerator:
    """Compute for 1 us, send 98 kB to die 0, and again."""
    for _ in range(2):
        yield env.timeout(1_000_000)
        time_ps = yield network.send(die, 0, 98_000)
        print(f"die {die}: arrived at {time_ps / 1e6} us")


env = simpy.Environment(initial_time=0)
network = Network(env, cm.Fabric.preset("cm384", timing="line_rate"))
for die in (2, 4):
    env.process(worker(env, network, die))
env.run(until=10_000_000)
