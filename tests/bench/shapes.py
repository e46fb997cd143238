"""Data like that of those who bundle small files, from fixed seeds, for bench_bundle.py: what the speed and the ratio
of a compressor are depends more on the data than on anything else, so each figure stands beside its shape.
"""
import datetime
import random
import uuid

START = datetime.datetime(2026, 11, 23, 6, 0, 0)


def stamp(ms):
    return (START + datetime.timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"


def fleet(r):
    """Flat JSON telemetry, 500 devices in random order, values that wander, 2 to 5 decimals; 260 bytes a line."""
    devices = [{"id": f"dev-{r.getrandbits(24):06x}", "lat": f"{48 + r.random() * 6:.5f}",
                "lon": f"{6 + r.random() * 8:.5f}", "fw": f"4.{r.randrange(13)}.{r.randrange(5)}",
                "t": 15 + r.random() * 10, "h": 30 + r.random() * 30, "v": 3.5 + r.random() * 0.4,
                "rpm": 1400 + r.randrange(160)} for _ in range(500)]
    ms = 0
    while True:
        d = r.choice(devices)
        ms += r.randrange(20)
        d["t"] += r.gauss(0, 0.1)
        d["h"] += r.gauss(0, 0.3)
        d["v"] += r.gauss(0, 0.005)
        d["rpm"] += r.gauss(0, 5)
        yield (f'{{"device_id":"{d["id"]}","ts":"{stamp(ms)}","metrics":{{"temperature_c":{d["t"]:.2f},'
               f'"humidity_pct":{d["h"]:.1f},"battery_v":{d["v"]:.3f},"rpm":{d["rpm"]:.0f},'
               f'"rssi_dbm":-{50 + r.randrange(45)}}},"location":{{"lat":{d["lat"]},"lon":{d["lon"]}}},'
               f'"firmware":"{d["fw"]}","status":"{"degraded" if r.randrange(8) == 0 else "ok"}","errors":[]}}\n')


def nested(r):
    """Nested JSON telemetry as Python's json writes it: a UUID and eight floats of full precision; 600 bytes a line."""
    ms = 0
    while True:
        ms += r.randrange(200)
        axes = ", ".join(f'"{a}": {r.gauss(0, 1)!r}' for a in "xyz")
        gyro = ", ".join(f'"{a}": {r.gauss(0, 30)!r}' for a in "xyz")
        yield (f'{{"message_id": "{uuid.UUID(int=r.getrandbits(128), version=4)}", "timestamp": "{stamp(ms)}", '
               f'"device": {{"serial": "SN{r.randrange(2000):08d}", "model": "TX-{r.choice((100, 200, 210))}", '
               f'"firmware": {{"major": 2, "minor": {r.randrange(6)}}}}}, '
               f'"readings": {{"acceleration": {{{axes}}}, "rotation": {{{gyro}}}, '
               f'"temperature": {r.uniform(15, 45)!r}, "pressure": {r.uniform(980, 1040)!r}}}, '
               f'"quality": {{"samples": {r.randrange(90, 101)}, "dropped": {r.randrange(3)}, "valid": true}}}}\n')


def events(r):
    """Uniform JSON events: few kinds and values, a numeric user, a time; 190 bytes a line."""
    kinds = ("page_view", "click", "search", "add_to_cart", "purchase", "login")
    pages = ("/", "/products", "/cart", "/checkout", "/account", "/help")
    ms = 0
    while True:
        ms += r.randrange(50)
        yield (f'{{"event":"{r.choice(kinds)}","user_id":{r.randrange(100000)},"session":{r.randrange(10**6)},'
               f'"ts":"{stamp(ms)}","page":"{r.choice(pages)}","country":"{r.choice(("DE", "FR", "US", "GB", "JP"))}",'
               f'"device":"{r.choice(("mobile", "desktop", "tablet"))}","app_version":"7.{r.randrange(4)}.0",'
               f'"duration_ms":{r.randrange(5000)}}}\n')


def log(r):
    """An application's text log: time, level, thread, logger, one of twelve messages with ids and durations in them."""
    messages = ("Request {h} completed in {n} ms with status 200", "Request {h} completed in {n} ms with status 404",
                "Fetched {n} rows from orders for tenant {t}", "Cache miss for key order:{n}:{h}",
                "Cache hit for key order:{n}:{h}", "Retrying call to inventory, attempt {t}, request {h}",
                "Connection from 10.0.{t}.{t} accepted", "Published message {h} to topic orders, partition {t}",
                "Committed offset {n} of partition {t}", "User {n} logged in from 10.0.{t}.{t}",
                "Scheduled job cleanup finished in {n} ms", "Heartbeat from worker {t}")
    loggers = ("c.e.http.Server", "c.e.orders.Repository", "c.e.cache.Redis", "c.e.kafka.Consumer", "c.e.auth.Session")
    ms = 0
    while True:
        ms += r.randrange(30)
        text = r.choice(messages).format(h=f"{r.getrandbits(32):08x}", n=r.randrange(100000), t=r.randrange(64))
        yield (f"{stamp(ms)} {r.choices(('INFO ', 'DEBUG', 'WARN '), (80, 15, 5))[0]} "
               f"[worker-{r.randrange(16):02d}] {r.choice(loggers)} - {text}\n")


def supplier(r):
    """A supplier's stock and price list, CSV: number, EAN, text of a small vocabulary, price, stock, date; 110 bytes."""
    kinds = ("Hex bolt", "Washer", "Cable gland", "Relay", "Fuse", "Terminal block", "Bearing", "O-ring", "Hose clamp")
    finish = ("zinc plated", "stainless A2", "stainless A4", "black", "nylon", "brass")
    number = 100000
    while True:
        number += r.randrange(1, 9)
        yield (f"{number};40{r.randrange(10**11):011d};{r.choice(kinds)} M{r.randrange(3, 25)}x{r.randrange(5, 200)} "
               f"{r.choice(finish)};{r.choice(('PCE', 'PK', 'MTR'))};{r.randrange(5, 50000) / 100:.2f};EUR;"
               f"{r.choice((0, r.randrange(20000)))};{r.choice(('DE01', 'DE02', 'PL01'))};2026-{r.randrange(1, 12):02d}-"
               f"{r.randrange(1, 29):02d};{r.choice(('active', 'active', 'active', 'phase out'))}\n")


SHAPES = {"fleet": fleet, "nested": nested, "events": events, "log": log, "supplier": supplier}


def make(shape, object_bytes, total_bytes):
    """A list of objects of whole lines, object_bytes each or a line more."""
    lines = SHAPES[shape](random.Random(shape))
    objects, size = [], 0
    while size < total_bytes:
        parts, n = [], 0
        while n < object_bytes:
            parts.append(next(lines))
            n += len(parts[-1])
        objects.append("".join(parts).encode())
        size += n
    return objects
