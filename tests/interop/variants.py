"""How permessage-deflate is negotiated, one after the other, and what then has to be seen on the wire.

A variant is NAME|OFFER|QUERY: what the client offers, and what the server is to insist on (see peers/README.md).
"""

from relay import Wrong

WINDOWS = range(9, 16)
# Of these windows, `/fragmented` is left out: it is slow, and nothing about it depends on the window.
UNFRAGMENTED = [f"s-{n}-fragmented" for n in (10, 11, 13, 14)]
# For a server that is there with all variants under another name.
FEW = ["default", "mib", "alone", "offers-9"]
# Messages of `conversation` that compress.
LEAST_COMPRESSED = 100
# What is sent with context takeover, against each message on its own by zlib at its best: with the smallest window and
# the least able compressor it is about half.
MOST_WITH_TAKEOVER = 0.8


def parse(text, separator):
    pairs = (parameter.strip().partition("=") for parameter in text.split(separator) if parameter.strip())
    return {name: int(value) if value else True for name, _, value in pairs}


def join(parameters, separator):
    return separator.join(name if value is True else f"{name}={value}" for name, value in parameters.items())


def as_is(parameters):
    return parameters


def of_aiohttp_client(offer):
    """It has a setting for the server's window only, and always says that it knows the other parameter."""
    return {"client_max_window_bits": True} | {k: v for k, v in offer.items() if k == "server_max_window_bits"}


def of_chromium(_):
    """A page has no say in it."""
    return {"client_max_window_bits": True}


def of_sockling_client(offer):
    """It always says what its window is."""
    return offer | {"client_max_window_bits": offer.get("client_max_window_bits", True)}


def nothing(_):
    return {}


def all_variants():
    alone = "server_no_context_takeover", "client_no_context_takeover"
    bits = "server_max_window_bits", "client_max_window_bits"
    knows = "client_max_window_bits"
    yield "default", knows, ""
    yield "mib", knows, ""
    for name in alone:
        yield f"offers-{name}", f"{name}; {knows}", ""
        yield f"insists-{name}", knows, name
    yield "alone", "; ".join((*alone, knows)), "&".join(alone)
    for n in WINDOWS:
        yield f"offers-{n}", "; ".join(f"{name}={n}" for name in bits), ""
        yield f"insists-{n}", knows, "&".join(f"{name}={n}" for name in bits)
    yield "offers-9-insists-12", "; ".join(f"{name}=9" for name in bits), "client_max_window_bits=12"
    yield "9-alone", "; ".join((*alone, *(f"{name}=9" for name in bits))), "&".join(alone)
    yield "9-mib", "; ".join(f"{name}=9" for name in bits), "&".join(f"{name}=9" for name in bits)
    # A server that cannot do without must not compress.
    yield "declined", "", "client_max_window_bits=10"


def for_pair(client, server):
    """Those that both can be put to, each once."""
    seen = set()
    for name, offer, query in all_variants():
        offer = join(client.offers(parse(offer, ";")), "; ")
        query = join(server.insists(parse(query, "&")), "&")
        kind = offer, query, name.endswith("mib")
        if kind not in seen and not (server.echo_only and name not in FEW):
            seen.add(kind)
            yield f"{name}|{offer}|{query}"


def check(variant, connection, echo):
    """Whether a connection was what it had to be. `echo`: all that the server sent has to be what was sent to it."""
    name, offer, query = variant.split("|")
    offer, query = parse(offer, ";"), parse(query, "&")
    agreed, client, server = connection.examine()
    if echo and [payload for payload, _ in client.messages] != [payload for payload, _ in server.messages]:
        raise Wrong("the echoes on the wire are not what was sent")
    can = "client_max_window_bits" in offer or "client_max_window_bits" not in query
    if (agreed is not None) != can:
        raise Wrong(f"{'no ' if can else ''}compression was negotiated")
    if not can:
        return
    for parameter, value in query.items():
        # A window of 15 bits goes without saying.
        got = agreed[parameter] or (None if value is True else 15)
        if got is None or got > value:
            raise Wrong(f"the server does not insist on {parameter}={value}: {agreed}")
    for parameter in ("server_max_window_bits", "server_no_context_takeover"):
        if agreed[parameter] is None and offer.get(parameter, 15) != 15:
            raise Wrong(f"the client does not insist on {parameter}: {agreed}")
    if name.endswith("mib") or not echo:
        return
    for who, direction in (("client", client), ("server", server)):
        if direction.compressed() < LEAST_COMPRESSED:
            raise Wrong(f"the {who} compressed {direction.compressed()} of {len(direction.messages)} messages")
        sent, alone = direction.saved()
        if direction.takeover and sent > MOST_WITH_TAKEOVER * alone:
            raise Wrong(f"the {who} sent {sent} bytes of what is {alone} without context takeover")
