"""Charges one vehicle at an edge node of Sparkplug B that waits for its primary host, loses a message, and dies.

    python edge_node.py PORT BEGIN_MS HOST

BEGIN_MS is when the course begins, HOST the id of the host application. The node is born only once the host is online. A
message in the middle is never sent; the host has to ask for a birth then, which binds other aliases. At the end the
process is gone without a word, so that the broker publishes the node's last will.
"""

import os
import sys
import threading

from pysparkplug import Client, DataType, DBirth, DData, Message, MessageType, Metric, NBirth, NCmd, NDeath, QoS, Topic

GROUP, NODE, DEVICE = "cpo-1", "py-node", "1"
PREPARING_S, CHARGING_S, STOP_S, UNPLUG_S = 60, 80, 700, 760
METER_WH, STEP_WH, STEP_S = 1_000, 180, 60
PATIENCE_S = 20
BD_SEQ = 7
ECHO = "Node Control/Echo"
TYPES = {"Status": DataType.STRING, "Energy/Active/Import": DataType.INT64, "Power/Active": DataType.DOUBLE}


class EdgeNode:
    """Publishes births, and data by the aliases of the last birth."""

    def __init__(self, port, begin_ms, host):
        self.begin_ms, self.seq, self.first_alias = begin_ms, 0, 10
        self.values = {"Status": "Available", "Energy/Active/Import": METER_WH, "Power/Active": 0.0}
        self.connected, self.host_is_online = threading.Event(), threading.Event()
        self.asked, self.echoed = threading.Event(), threading.Event()
        self.client = Client(client_id=NODE)
        will = NDeath(timestamp=begin_ms, bd_seq_metric=self.bd_seq(begin_ms))
        self.client.set_will(self.message(MessageType.NDEATH, will, qos=QoS.AT_LEAST_ONCE))
        state = Topic(message_type=MessageType.STATE, sparkplug_host_id=host)
        self.client.subscribe(state, QoS.AT_LEAST_ONCE, self.take_state)
        command = Topic(message_type=MessageType.NCMD, group_id=GROUP, edge_node_id=NODE)
        self.client.subscribe(command, QoS.AT_LEAST_ONCE, self.take_command)
        self.client.connect("127.0.0.1", port=port, callback=lambda _: self.connected.set())

    def take_state(self, _client, message):
        if message.payload.online:
            self.host_is_online.set()

    def take_command(self, _client, message):
        for metric in message.payload.metrics:
            if metric.name == "Node Control/Rebirth" and metric.value:
                self.asked.set()
            if metric.name == ECHO:
                self.echoed.set()

    def at(self, second):
        return self.begin_ms + second * 1000

    def next_seq(self):
        self.seq = (self.seq + 1) % 256
        return self.seq

    @staticmethod
    def bd_seq(at_ms):
        return Metric(timestamp=at_ms, name="bdSeq", datatype=DataType.INT64, value=BD_SEQ)

    @staticmethod
    def message(kind, payload, device=None, qos=QoS.AT_MOST_ONCE):
        topic = Topic(message_type=kind, group_id=GROUP, edge_node_id=NODE, device_id=device)
        return Message(topic=topic, payload=payload, qos=qos, retain=False)

    def publish(self, kind, payload, device=None):
        self.client.publish(self.message(kind, payload, device), include_dtypes=True)

    def be_born(self, second, first_alias):
        """All births, with the values as they are; aliases count up from the given one."""
        at_ms, self.seq, self.first_alias = self.at(second), 0, first_alias
        rebirth = Metric(timestamp=at_ms, name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=False)
        self.publish(MessageType.NBIRTH, NBirth(timestamp=at_ms, seq=0, metrics=(self.bd_seq(at_ms), rebirth)))
        metrics = tuple(
            Metric(timestamp=at_ms, name=name, datatype=TYPES[name], value=value, alias=first_alias + place)
            for place, (name, value) in enumerate(self.values.items())
        )
        self.publish(MessageType.DBIRTH, DBirth(timestamp=at_ms, seq=self.next_seq(), metrics=metrics), DEVICE)

    def say(self, second, **changes):
        """Data by alias: only what changed."""
        at_ms, metrics = self.at(second), []
        names = {"status": "Status", "energy": "Energy/Active/Import", "power": "Power/Active"}
        for short, value in changes.items():
            name = names[short]
            self.values[name] = value
            alias = self.first_alias + list(self.values).index(name)
            metrics.append(Metric(timestamp=at_ms, name=None, datatype=TYPES[name], value=value, alias=alias))
        payload = DData(timestamp=at_ms, seq=self.next_seq(), metrics=tuple(metrics))
        self.publish(MessageType.DDATA, payload, DEVICE)


def wait(event, what):
    if not event.wait(PATIENCE_S):
        sys.exit(f"not within {PATIENCE_S} s: {what}")


def main():
    port, begin_ms, host = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    node = EdgeNode(port, begin_ms, host)
    wait(node.connected, "the connection")
    wait(node.host_is_online, "the host's state")
    node.be_born(0, first_alias=10)
    node.say(PREPARING_S, status="Preparing")
    node.say(CHARGING_S, status="Charging", power=10_800.0)
    steps = list(range(CHARGING_S + STEP_S, STOP_S, STEP_S))
    for number, second in enumerate(steps, 1):
        if number == len(steps) // 2:
            # This one is lost: its number is missing, and its energy is in the next.
            node.next_seq()
            continue
        node.say(second, energy=METER_WH + number * STEP_WH)
        if number == len(steps) // 2 + 1:
            wait(node.asked, "the request for a birth after a gap")
            node.be_born(second, first_alias=40)
    node.say(STOP_S, status="Finishing", power=0.0, energy=METER_WH + (len(steps) + 1) * STEP_WH)
    node.say(UNPLUG_S, status="Available")
    # A broker keeps the order of a client's messages: when this one is back, it has had all before it.
    echo = Metric(timestamp=node.at(UNPLUG_S), name=ECHO, datatype=DataType.BOOLEAN, value=True)
    node.publish(MessageType.NCMD, NCmd(timestamp=node.at(UNPLUG_S), metrics=(echo,)))
    wait(node.echoed, "the echo")
    # Without a farewell, as a node that lost its power.
    os._exit(0)


main()
