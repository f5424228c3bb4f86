"""Guests that fetch from other servers: whole answers and cut ones, several at a time, and what ends a fetch."""

import time

from harness import check, equal, lua_and_njs, matches, test, until
from test_functions import script, script_server
from upstream import UPSTREAM, Endless, Upstream, fetching


@test
def fetches():
    """answers, errors as answers, headers, large and parallel ones"""
    with Upstream() as up, fetching(up, "lucet_buffer 512k;") as s:
        equal(script("fetch=/static&status=0&length=0&content=0&fetched=0:content-type&fetched=0:none", s).text,
              "fetch: 0\nstatus: 200\nlength: 6\nstaticfetched: text/plain\nfetched: -1\n")
        equal(script("fetch=/slow&content=0&status=0&fetched=0:X-Name", s).text, "fetch: 0\nslowstatus: 200\nfetched: /slow\n")
        equal(script("fetch=/refused&status=0", s).text, "fetch: 0\nstatus: 502\n")
        equal(script("fetch=/missing&status=0", s).text, "fetch: 0\nstatus: 404\n")
        r = script("fetch=/large&length=0&content=0", s)
        equal(len(r.body), len("fetch: 0\nlength: 300000\n") + 300000)
        started = time.monotonic()
        equal(script("fetch=/slow1&fetch=/slow2&fetch=/slow3&status=2&status=1&status=0", s).text,
              "fetch: 0\nfetch: 1\nfetch: 2\nstatus: 200\nstatus: 200\nstatus: 200\n")
        parallel = time.monotonic() - started
        check(parallel < 10, f"{parallel} s")
        r = script("fetch=/headers&content=0", s, headers=[("Cookie", "secret"), ("X-Private", "1")])
        check("secret" not in r.text and "X-Private" not in r.text and "Host: up" in r.text, f"what goes out: {r.text}")
        equal(script("fetch=/static&fetch=/static&close=0&fetch=/static&status=0", s).text,
              "fetch: 0\nfetch: 1\nclose: 0\nfetch: 0\nstatus: 200\n")
        s.nothing_is_left()


@test
def fetches_that_are_cut():
    """an answer of which a part is missing is a 502 without headers and body, also from a guest that traps; whole ones are whole"""
    inner = ("location /_fetch/unbuffered/ { internal; proxy_buffering off; proxy_pass http://127.0.0.1:%d/; }\n"
             "location = /_fetch/empty { internal; return 200; }\n"
             "location = /_fetch/none { internal; return 204; }\n"
             "location /_fetch/file/ { internal; alias ROOT/; }\n"
             "location /_fetch/zip/ { internal; gzip on; gzip_types *; alias ROOT/; }\n"
             "location = /_fetch/redirect { internal; rewrite ^ /_fetch/static last; }\n"
             "location /_fetch/trap { internal; lucet_content oob; lucet_buffer 1; }\n")
    with Upstream() as up:
        s = script_server("lucet_fetch /_fetch max=8;", server=(UPSTREAM + inner) % (up.port, up.port), guests=["oob"])
        s.parts["server"] = s.parts["server"].replace("ROOT", s.directory)
        for name, text in (("file", "x" * 50000), ("nothing", "")):
            with open(f"{s.directory}/{name}", "w") as file:
                file.write(text)
        with s:
            for target in ("cut", "cut-empty", "cut-chunks", "unbuffered/cut", "unbuffered/cut-chunks", "trap"):
                equal(script(f"fetch=/{target}&status=0&length=0&content=0&fetched=0:X-Name", s).text,
                      "fetch: 0\nstatus: 502\nlength: 0\nfetched: -1\n", target)
            for target, status, length in (("chunks", 200, 5), ("unbuffered/chunks", 200, 5), ("open", 200, 13), ("none", 204, 0), ("empty", 200, 0),
                                           ("file/file", 200, 50000), ("zip/file", 200, 50000), ("file/nothing", 200, 0),
                                           ("redirect", 200, 6), ("large", 200, 300000), ("unbuffered/large", 200, 300000), ("slow", 200, 4)):
                equal(script(f"fetch=/{target}&status=0&length=0", s).text, f"fetch: 0\nstatus: {status}\nlength: {length}\n", target)
            s.nothing_is_left()


@test
def fetches_that_are_refused():
    """bad targets, too many, too large, not allowed, no such number, without end"""
    with Upstream() as up, fetching(up) as s:
        for target in ("x", "//../../x", "/../x", "/%2e%2e/x", "/a#b", "/" + "x" * 5000):
            matches(script(f"fetch={target}", s).text, r"fetch: -\d|fetch: 0")
        equal(script("fetch=/../script", s).text, "fetch: -2\n", "out of the prefix")
        equal(script("fetch=/%2e%2e/script", s).text, "fetch: -2\n", "out of the prefix")
        equal(script("&".join(["fetch=/slow"] * 5), s).text.split()[-1], "-4", "five at a time")
        many = "&".join(["fetch=/static&status=0&close=0"] * 8)
        equal(script(many + "&fetch=/static", s).text.split()[-1], "-4", "nine in all")
        equal(script("status=0", s).status, 500, "no such fetch")
        equal(script("fetch=/static&close=0&status=0", s).status, 500, "a fetch that was closed")
        matches(s.log(), "bad argument to a host function")
        s.nothing_is_left()
    with Upstream() as up, script_server("lucet_fetch /_fetch size=100k;", server=UPSTREAM % up.port) as s:
        equal(script("fetch=/large&status=0&length=0", s).text, "fetch: 0\nstatus: -4\nlength: 0\n", "too large")
    with script_server() as s:
        equal(script("fetch=/static", s).text, "fetch: -3\n", "no lucet_fetch")
    with Upstream() as up, fetching(up) as s:
        again = "/again"
        for _ in range(3):
            again = f"/again?fetch={again}%26status=0"
        check(script(f"fetch={again}&status=0&content=0", s).status == 200, "guests that fetch guests")
        s.nothing_is_left()


@test
def recursion():
    """a guest that fetches itself ends at nginx's limit of subrequests"""
    server = "location /_fetch/ { internal; lucet_content script; lucet_fetch /_fetch; rewrite ^ /_fetch/x?fetch=/x&status=0 break; }"
    with script_server("lucet_fetch /_fetch;", server=server, pool="lucet_pool 100;") as s:
        equal(script("fetch=/x&status=0", s).text, "fetch: 0\nstatus: 200\n")
        until(lambda: s.count("script", "started") > 40, "some fifty guests, one below the other")
        s.nothing_is_left()


@test
def fetches_end_with_their_run():
    """whichever way it ends: upstream connections, guests of fetches, the client's connection and the worker are free"""
    with Endless() as up, fetching(up, "lucet_timeout 1s;") as s:
        workers = s.active_workers()
        for steps, status in (("fetch=/e&fetch=/mute&fetch=/again?rest=20000&rest=200&say=x", 200), ("fetch=/e&fetch=/mute&rest=200&trap", 500),
                              ("fetch=/e&fetch=/mute&fetch=/again?fetch=/mute&rest=200&spin", 504), ("fetch=/mute&status=0", 504),
                              ("fetch=/e&fetch=/again?fetch=/mute%26status=0&content=0", 504), ("fetch=/e&fetch=/again?rest=20000&say=at+once", 200)):
            with s.client() as c:
                before = len(up.seen)
                r = c.ask(f"/script?{steps}")
                equal(r.status, status, steps)
                check("at+once" in steps or len(up.seen) > before, f"{steps}: has begun")
                until(lambda: up.open == 0, f"{steps}: upstream connections are closed", 5)
                equal(s.region()["live"], 0, f"{steps}: live")
                if r.header("Connection") == "keep-alive":
                    equal(c.ask("/script?say=next").text, "next", f"{steps}: the connection goes on")
                else:
                    check(not c.more(), f"{steps}: closed")
        with s.client() as c:
            c.request("/script?fetch=/e&fetch=/mute&fetch=/again?rest=20000&rest=20000")
            until(lambda: up.open == 2, "fetches")
        until(lambda: up.open == 0 and s.region()["live"] == 0, "gone with the client")
        with s.client() as c:
            equal(c.ask("/script?fetch=/e&fetch=/mute&rest=100&say=x&flush").complete, True)
            s.reload()
            until(lambda: not set(workers) & set(s.workers()), "the old worker ends")
        check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")
        s.nothing_is_left()


@test
def fetches_that_wait_in_line():
    """for limit_req or the lock of a cache: they come to their end, and do not keep a request whose guest has ended"""
    inner = """
      location /_fetch/limited/ { internal; limit_req zone=slow burst=9; empty_gif; }
      location /_fetch/cached/ { internal; proxy_cache c; proxy_cache_lock on; proxy_cache_lock_timeout 60s; proxy_cache_lock_age 60s;
                                 proxy_pass http://127.0.0.1:%d/; }
      location /rate { lucet_content script; lucet_fetch /_fetch; limit_rate 100k; }
    """
    with Endless() as up:
        s = script_server("lucet_fetch /_fetch; lucet_timeout 60s;", server=inner % up.port)
        s.parts["http"] += f"limit_req_zone $server_port zone=slow:1m rate=2r/s; proxy_cache_path {s.directory}/cache keys_zone=c:1m;"
        with s:
            def alone():
                until(lambda: s.region()["live"] == 0, "nobody is at work")
                time.sleep(1)  # the delay of whoever comes next is none

            def soon(steps, text, target="/script"):
                started = time.monotonic()
                r = s.get(f"{target}?{steps}")
                equal((r.complete, r.text), (True, text), steps)
                check(time.monotonic() - started < 0.4, f"{steps}: {time.monotonic() - started} s")

            def ahead():
                """Two that take the next second of the line."""
                for _ in range(2):
                    c = s.client()
                    c.request("/script?fetch=/limited/&status=0")
                    clients.append(c)

            clients = []
            for target in ("/script", "/rate"):
                started = time.monotonic()
                equal(s.get(f"{target}?fetch=/limited/&status=0").text, "fetch: 0\nstatus: 200\n")
                equal(s.get(f"{target}?fetch=/limited/&status=0").text, "fetch: 0\nstatus: 200\n", "after its delay")
                check(0.4 < time.monotonic() - started < 5, f"{time.monotonic() - started} s")
                alone()
            for target, steps, text in (("/script", "fetch=/limited/&rest=20&say=x", "fetch: 0\nx"),
                                        ("/script", "fetch=/limited/&rest=20&close=0&say=x&flush&say=y", "fetch: 0\nclose: 0\nxy"),
                                        ("/script", "fetch=/limited/&fetch=/cached/mute&rest=20&say=x", "fetch: 0\nfetch: 1\nx"),
                                        ("/rate", "fetch=/limited/&rest=20&say=x", "fetch: 0\nx")):
                ahead()
                until(lambda: s.region()["waiting"] > 0, "somebody is in the line")
                soon(steps, text, target)
                for c in clients:
                    equal(c.response().text, "fetch: 0\nstatus: 200\n")
                    c.close()
                clients.clear()
                alone()
            with s.client() as first:
                first.request("/script?fetch=/cached/mute&status=0")
                until(lambda: up.open == 1, "one has the lock")
                soon("fetch=/cached/mute&rest=20&say=x", "fetch: 0\nx")
                soon("fetch=/cached/mute&fetch=/cached/mute&rest=20&close=1&say=x", "fetch: 0\nfetch: 1\nclose: 0\nx")
                equal(s.get("/script?fetch=/cached/mute&rest=20&trap").status, 500)
                with s.client() as c:
                    c.request("/script?fetch=/cached/mute&status=0")
                    until(lambda: s.region()["waiting"] == 2, "waits")
                until(lambda: s.region()["live"] == 1, "gone with its client")
                equal(up.most, 1, "one at a time")
            s.nothing_is_left()
            check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")


@test
def parallel_fetches():
    """no more than lucet_fetch says are on their way, however many were closed"""
    with Endless() as up, script_server("lucet_fetch /_fetch max=40 parallel=2;", server=UPSTREAM % up.port) as s:
        equal(script("&".join(["fetch=/e&rest=20&close=0"] * 10) + "&say=x", s).text, "fetch: 0\nclose: 0\n" * 10 + "x", "a closed one has ended")
        equal((len(up.seen), up.most <= 3), (10, True), "upstream")  # it may learn late of the one before
        until(lambda: up.open == 0, "upstream connections are closed", 5)


@test
def fetches_that_read_files_in_threads():
    """whole; and one whose guest has ended, or closed it, ends after the piece that is being read, as does one of a client that goes away"""
    server = "location /_fetch/ { internal; sendfile off; output_buffers 1 32k; aio threads; alias DIRECTORY/; }"
    s = script_server("lucet_fetch /_fetch parallel=2;", server=server, main="thread_pool default threads=2;")
    s.parts["server"] = s.parts["server"].replace("DIRECTORY", s.directory)
    with open(f"{s.directory}/small", "w") as file:
        file.write("x" * 100000)
    with open(f"{s.directory}/huge", "w") as file:
        file.truncate(1 << 36)  # minutes
    with s:
        workers = s.workers()
        for _ in range(20):
            equal(script("fetch=/small&fetch=/small&status=0&length=0&length=1", s).text,
                  "fetch: 0\nfetch: 1\nstatus: 200\nlength: 100000\nlength: 100000\n")
            for steps, status in (("fetch=/huge&fetch=/huge&say=x", 200), ("fetch=/huge&rest=3&close=0&fetch=/small&length=0&say=x", 200),
                                  ("fetch=/huge&rest=2&trap", 500), ("fetch=/huge&fetch=/small&rest=1&close=0&rest=20&fetch=/small&length=1&say=x", 200)):
                with s.client() as c:
                    r = c.ask(f"/script?{steps}")
                    equal(r.status, status, steps)
                    check(status != 200 or r.text.endswith("x"), f"{steps}: {r.text}")
                    if r.header("Connection") == "keep-alive":
                        equal(c.ask("/script?say=next").text, "next", f"{steps}: the connection goes on")
                    else:
                        check(not c.more(), f"{steps}: closed")
            with s.client() as c:
                c.request("/script?fetch=/huge&fetch=/huge&rest=20000")
                until(lambda: s.region()["waiting"] == 1, "it waits")
        until(lambda: s.region()["live"] == 0, "gone with the client")
        equal(s.workers(), workers, "the same worker")
        check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")
        s.nothing_is_left()


@test
def fetches_that_go_on():
    """one that waits for another module's reasons cannot be ended: it is left in its request, counts, and gets no answer when nobody waits"""
    server = UPSTREAM + "location /_fetch/lua/ { internal; rewrite_by_lua_block { ngx.sleep(1) } empty_gif; }"
    with Endless() as up, script_server("lucet_fetch /_fetch max=40 parallel=2;", server=server % up.port, preload=lua_and_njs()) as s:
        equal(script("fetch=/lua/&status=0", s).text, "fetch: 0\nstatus: 200\n")
        r = script("fetch=/lua/&rest=20&close=0&fetch=/mute&fetch=/e&close=1&say=x", s)
        equal(r.text, "fetch: 0\nclose: 0\nfetch: 1\nfetch: -4\nclose: 0\nx", "a closed one that goes on counts")
        until(lambda: s.region()["live"] == 0, "the run is over")
        check("[alert]" not in s.log(), f"alerts: {s.log()[-1000:]}")
