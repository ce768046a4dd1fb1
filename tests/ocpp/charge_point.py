"""Charges one vehicle in one family of OCPP, as a gateway would relay it over MQTT.

    python charge_point.py PORT FAMILY BEGIN_MS

FAMILY is 1.6, 2.0.1 or 2.1, BEGIN_MS when the course begins. The frames are built from the classes of the package `ocpp`
and validated by its schemas before they are published; 1.6 goes in MaEVe's envelope, 2.x as bare arrays.
"""

import json
import sys
from datetime import datetime, timezone
from importlib import import_module

import paho.mqtt.client as mqtt
from ocpp.charge_point import remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.messages import Call, CallResult, _validate_payload

PREPARING_S, START_S, CHARGING_S, STOP_S, UNPLUG_S = 60, 70, 80, 700, 760
FAULT_S, WELL_S = 300, 360
METER_WH, STEP_WH, STEP_S = 1_000, 180, 60


class Gateway:
    """Publishes frames and waits until the broker has each."""

    def __init__(self, port, family, begin_ms):
        self.family, self.begin_ms, self.count = family, begin_ms, 0
        module = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}[family]
        self.call = import_module(f"ocpp.{module}.call")
        self.call_result = import_module(f"ocpp.{module}.call_result")
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"gateway-{family}", protocol=mqtt.MQTTv5)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def at(self, second):
        """The time so many seconds after the course's begin, as RFC 3339."""
        time = datetime.fromtimestamp(self.begin_ms / 1000 + second, timezone.utc)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def publish(self, direction, frame):
        topic = f"cs/{direction}/ocpp{self.family}/py-{self.family}"
        self.client.publish(topic, json.dumps(frame), qos=1).wait_for_publish(10)

    def send(self, name, **members):
        """A call of the station; its id."""
        self.count += 1
        payload = remove_nones(snake_to_camel_case(serialize_as_dict(getattr(self.call, name)(**members))))
        call = Call(f"call-{self.count}", name, payload)
        _validate_payload(call, self.family)
        frame = json.loads(call.to_json())
        if self.family == "1.6":
            frame = {"type": 2, "action": name, "id": call.unique_id, "request": frame[3]}
        self.publish("in", frame)
        return call.unique_id

    def answer(self, unique_id, name, **members):
        """The central system's answer to a call."""
        payload = remove_nones(snake_to_camel_case(serialize_as_dict(getattr(self.call_result, name)(**members))))
        result = CallResult(unique_id, payload, action=name)
        _validate_payload(result, self.family)
        self.publish("out", {"type": 3, "action": name, "id": unique_id, "response": payload})

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


def seconds():
    """When meter values are sent while energy flows, with the register."""
    for step, second in enumerate(range(CHARGING_S + STEP_S, STOP_S, STEP_S), 1):
        yield second, METER_WH + step * STEP_WH


def charge_1_6(gateway):
    def status(second, status, error="NoError"):
        at = gateway.at(second)
        gateway.send("StatusNotification", connector_id=1, error_code=error, status=status, timestamp=at)

    gateway.send("BootNotification", charge_point_model="X", charge_point_vendor="Acme")
    status(0, "Available")
    status(PREPARING_S, "Preparing")
    gateway.send("Authorize", id_tag="04E1A2B3")
    begun = gateway.send(
        "StartTransaction", connector_id=1, id_tag="04E1A2B3", meter_start=METER_WH, timestamp=gateway.at(START_S)
    )
    gateway.answer(begun, "StartTransaction", transaction_id=4711, id_tag_info={"status": "Accepted"})
    status(CHARGING_S, "Charging")
    for second, register in seconds():
        if second > FAULT_S > second - STEP_S:
            status(FAULT_S, "Charging", "HighTemperature")
        if second > WELL_S > second - STEP_S:
            status(WELL_S, "Charging")
        sampled = [
            {"value": str(register / 1000), "measurand": "Energy.Active.Import.Register", "unit": "kWh"},
            {"value": "3600.0", "measurand": "Power.Active.Import", "phase": "L1", "unit": "W"},
            {"value": "3600.0", "measurand": "Power.Active.Import", "phase": "L2", "unit": "W"},
            {"value": "3600.0", "measurand": "Power.Active.Import", "phase": "L3", "unit": "W"},
        ]
        value = [{"timestamp": gateway.at(second), "sampled_value": sampled}]
        gateway.send("MeterValues", connector_id=1, transaction_id=4711, meter_value=value)
    gateway.send(
        "StopTransaction", transaction_id=4711, meter_stop=register, timestamp=gateway.at(STOP_S), reason="Local"
    )
    status(STOP_S, "Finishing")
    status(UNPLUG_S, "Available")
    gateway.send("Heartbeat")


def charge_2(gateway):
    def status(second, status):
        gateway.send(
            "StatusNotification", timestamp=gateway.at(second), connector_status=status, evse_id=1, connector_id=1
        )

    def event(step, second, trigger, info, register=None, context="Sample.Periodic", **members):
        if register is not None:
            unit = {"unit": "Wh"}
            sampled = [{"value": register, "context": context, "unit_of_measure": unit}]
            if context == "Sample.Periodic":
                sampled.append({"value": 10.8, "measurand": "Power.Active.Import", "unit_of_measure": {"unit": "W", "multiplier": 3}})
            members["meter_value"] = [{"timestamp": gateway.at(second), "sampled_value": sampled}]
        gateway.send(
            "TransactionEvent",
            event_type=step,
            timestamp=gateway.at(second),
            trigger_reason=trigger,
            seq_no=gateway.count,
            transaction_info={"transaction_id": "tx-4711", **info},
            **members,
        )

    def fault(second, cleared):
        data = {
            "event_id": second,
            "timestamp": gateway.at(second),
            "trigger": "Alerting",
            "actual_value": "false" if cleared else "true",
            "tech_code": "CX003",
            "cleared": cleared,
            "event_notification_type": "HardWiredMonitor",
            "component": {"name": "Connector", "evse": {"id": 1, "connector_id": 1}},
            "variable": {"name": "Problem"},
        }
        gateway.send("NotifyEvent", generated_at=gateway.at(second), seq_no=0, event_data=[data])

    station = {"model": "X", "vendor_name": "Acme"}
    gateway.send("BootNotification", charging_station=station, reason="PowerUp")
    status(0, "Available")
    status(PREPARING_S, "Occupied")
    evse = {"id": 1, "connector_id": 1}
    connected = {"charging_state": "EVConnected"}
    event("Started", START_S, "Authorized", connected, METER_WH, "Transaction.Begin", evse=evse)
    event("Updated", CHARGING_S, "ChargingStateChanged", {"charging_state": "Charging"})
    for second, register in seconds():
        if second > FAULT_S > second - STEP_S:
            fault(FAULT_S, False)
        if second > WELL_S > second - STEP_S:
            fault(WELL_S, True)
        event("Updated", second, "MeterValuePeriodic", {}, register)
    event("Ended", STOP_S, "StopAuthorized", {"stopped_reason": "Local"}, register, "Transaction.End")
    status(UNPLUG_S, "Available")
    gateway.send("Heartbeat")


def main():
    port, family, begin_ms = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    gateway = Gateway(port, family, begin_ms)
    if family == "1.6":
        charge_1_6(gateway)
    else:
        charge_2(gateway)
    gateway.end()


main()
