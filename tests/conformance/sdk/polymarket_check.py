"""Polymarket's official Python clients against `arbees exchange polymarket`: polymarket_check.py ARBEES.

One line for each step; exit code 1 if one of them is not as it should be. `./run conformance` calls it with a Python that has
the pinned clients (polymarket_requirements.txt). The unified client only knows the production host by a public name, so its
environment is copied with our addresses in it."""
import dataclasses
import importlib.metadata
import json
import subprocess
import sys
import time
import urllib.request

# Hardhat's first key: everybody knows it, and so does nobody keep money with it.
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
SLUG = "sdk-market"
CHAIN = 137
# Longer than anything on loopback takes.
PATIENCE_S = 10

differences = 0


def step(name, call, wanted):
    """One step: what the call gives must be as `wanted` says; returns what it gave."""
    global differences
    try:
        found = call()
        fault = None if wanted(found) else f"gave {str(found)[:300]}"
    except Exception as error:  # whatever a client throws is what is found
        found, fault = None, f"{type(error).__name__}: {str(error)[:300]}"
    differences += fault is not None
    print(f"{'DIFFERS' if fault else 'ok     '}  {name}{': ' + fault if fault else ''}", flush=True)
    return found


def refusal(call):
    """The words of a call that is refused."""
    try:
        return f"not refused: {call()}"
    except Exception as error:
        return str(error)


class Double:
    def __init__(self, program):
        arguments = ["exchange", "polymarket", "--port", "0", "--admin-port", "0", "--wallet", f"{OWNER}:eoa", "--market", SLUG]
        self.child = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        self.addresses = {}
        while "admin" not in self.addresses:
            line = self.child.stdout.readline()
            if not line:
                raise SystemExit("the exchange ended by itself")
            name, address = line.split()
            self.addresses[name] = address
        market = self.admin("markets")[0]
        self.condition, (self.yes, self.no) = market["condition"], market["tokens"]

    def admin(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.addresses['admin']}/{path}", data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return json.load(reply)

    def settled(self, token, shares):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.admin("truth")["positions"].get(token, {}).get("settled") == shares:
                return True
            time.sleep(0.05)
        return False

    def stop(self):
        self.child.terminate()
        self.child.wait(PATIENCE_S)


def check_v2(double):
    from py_clob_client_v2 import client as module
    from py_clob_client_v2.clob_types import (
        AssetType, BalanceAllowanceParams, BookParams, MarketOrderArgsV2, OpenOrderParams, OrderArgsV2, OrderMarketCancelParams, OrderPayload,
        OrderType, PartialCreateOrderOptions, PostOrdersV2Args, TradeParams,
    )

    client = module.ClobClient(double.addresses["api"], CHAIN, key=KEY, signature_type=0)
    step("ok, time and version", lambda: (client.get_ok(), abs(int(client.get_server_time()) - time.time()) < 5, client.get_version()), lambda found: found == ("OK", True, 2))
    made = step("create an API key", lambda: client.create_api_key(), lambda key: len(key.api_key) == 36)
    step("the same key is derived", lambda: client.derive_api_key(), lambda key: key == made)
    client.set_api_creds(made)
    step("API keys", lambda: client.get_api_keys(), lambda found: found["apiKeys"] == [made.api_key])
    step("closed only", lambda: client.get_closed_only_mode(), lambda found: found["closed_only"] is False)
    step("the market's terms", lambda: client.get_clob_market_info(double.condition), lambda found: found["mts"] == 0.01 and found["fd"]["r"] == 0.05)
    step("tick and neg risk", lambda: (client.get_tick_size(double.yes), client.get_neg_risk(double.yes)), lambda found: found == ("0.01", False))
    book = step("a book, best price last", lambda: client.get_order_book(double.yes), lambda found: found["bids"][-1]["price"] == "0.48" and found["asks"][-1]["price"] == "0.52")
    step("its hash", lambda: client.get_order_book_hash(dict(book)), lambda found: found == book["hash"])
    step("both books", lambda: client.get_order_books([BookParams(double.yes), BookParams(double.no)]), lambda found: {row["asset_id"] for row in found} == {double.yes, double.no})
    step("midpoint, price, spread", lambda: (client.get_midpoint(double.yes)["mid"], client.get_price(double.yes, "BUY")["price"], client.get_spread(double.yes)["spread"]), lambda found: found == ("0.5", "0.48", "0.04"))

    options = PartialCreateOrderOptions(tick_size="0.01", neg_risk=False)
    def signed(price, size, side="BUY", token=None, expiration=0):
        return client.create_order(OrderArgsV2(token_id=token or double.yes, price=price, size=size, side=side, expiration=expiration), options)

    order = signed(0.40, 10)
    placed = step("place a limit order", lambda: client.post_order(order, OrderType.GTC, True), lambda found: found["success"] and found["status"] == "live")
    hashed = placed["orderID"]
    step("the same bytes again", lambda: refusal(lambda: client.post_order(order, OrderType.GTC, True)), lambda words: f"order {hashed} is invalid. Duplicated." in words)
    step("read it", lambda: client.get_order(hashed), lambda found: found["status"] == "LIVE" and found["original_size"] == "10")
    step("an unknown one", lambda: client.get_order("0x" + "11" * 32), lambda found: not found)
    step("list it", lambda: client.get_open_orders(OpenOrderParams(asset_id=double.yes)), lambda found: [row["id"] for row in found] == [hashed])
    step("a GTD order", lambda: client.post_order(signed(0.41, 5, expiration=int(time.time()) + 300), OrderType.GTD), lambda found: found["status"] == "live")
    step("an expiry too near", lambda: refusal(lambda: client.post_order(signed(0.41, 5, expiration=int(time.time()) + 60), OrderType.GTD)), lambda words: "invalid expiration" in words)
    step("cancel one", lambda: client.cancel_order(OrderPayload(orderID=hashed)), lambda found: found["canceled"] == [hashed])
    step("cancel it again", lambda: client.cancel_order(OrderPayload(orderID=hashed)), lambda found: hashed in found["not_canceled"])
    batch = [PostOrdersV2Args(order=signed(price, 5), orderType=OrderType.GTC) for price in (0.42, 0.43)]
    rows = step("place two at once", lambda: client.post_orders(batch), lambda found: [row["status"] for row in found] == ["live", "live"])
    ids = [row["orderID"] for row in rows]
    step("cancel both", lambda: client.cancel_orders(ids), lambda found: found["canceled"] == ids)
    step("cancel a market's", lambda: client.cancel_market_orders(OrderMarketCancelParams(market=double.condition)), lambda found: len(found["canceled"]) == 1)

    market_buy = lambda: client.create_market_order(MarketOrderArgsV2(token_id=double.yes, amount=10, side="BUY", price=0.52, order_type=OrderType.FOK), options)
    bought = step("buy for 10 dollars", lambda: client.post_order(market_buy(), OrderType.FOK), lambda found: found["status"] == "matched" and found["makingAmount"] == "9.999964")
    step("the client waited for the chain", lambda: bought["transactionsHashes"], lambda found: len(found) == 1)
    step("its trade", lambda: client.get_trades(TradeParams(market=double.condition)), lambda found: found[0]["id"] == bought["tradeIDs"][0] and found[0]["trader_side"] == "TAKER")
    step("it settles", lambda: double.settled(double.yes, "19.2307"), lambda found: found)
    conditional = BalanceAllowanceParams(asset_type=AssetType.CONDITIONAL, token_id=double.yes)
    step("shares at the venue", lambda: client.get_balance_allowance(conditional)["balance"], lambda found: found == "19230700")
    step("dollars at the venue", lambda: client.get_balance_allowance(BalanceAllowanceParams(asset_type=AssetType.COLLATERAL))["balance"], lambda found: 989_000_000 < int(found) < 990_000_000)
    step("update them", lambda: client.update_balance_allowance(conditional), lambda found: True)
    step("sell 10 of them", lambda: client.post_order(signed(0.48, 10, "SELL"), OrderType.FAK), lambda found: found["status"] == "matched" and found["takingAmount"] == "4.8")
    step("nothing to buy from", lambda: refusal(lambda: client.post_order(signed(0.10, 20), OrderType.FAK)), lambda words: "no orders found to match with FAK order" in words)
    step("a heartbeat", lambda: client.post_heartbeat(client.post_heartbeat("")["heartbeat_id"]), lambda found: len(found["heartbeat_id"]) == 36)
    step("notifications", lambda: client.get_notifications(), lambda found: found == [])
    step("cancel everything", lambda: client.cancel_all(), lambda found: found["canceled"] == [])


def check_unified(double):
    from polymarket import environments
    from polymarket.clients.secure import SecureClient

    api, ws = double.addresses["api"], double.addresses["ws"]
    config = dataclasses.replace(
        environments.PRODUCTION._config, clob_url=api, clob_market_ws_url=f"{ws}/market", clob_user_ws_url=f"{ws}/user",
        gamma_url=double.addresses["gamma"], data_url=api, rpc_url=api, relayer_url=api,
    )
    environment = environments._create_environment(name="loopback", config=config)
    client = step("unified: credentials and wallet", lambda: SecureClient.create(private_key=KEY, wallet=OWNER, environment=environment), lambda found: found is not None)
    if client is None:
        return
    placed = step("unified: place a limit order", lambda: client.place_limit_order(token_id=double.yes, price="0.40", size="10", side="BUY", post_only=True), lambda found: found.ok and found.status == "live")
    if placed is not None:
        step("unified: read it", lambda: client.get_order(order_id=placed.order_id), lambda found: found.status == "LIVE" and str(found.price) == "0.4")
        step("unified: list it", lambda: [row.id for row in client.list_open_orders(token_id=double.yes).first_page().items], lambda found: found == [placed.order_id])
        step("unified: cancel it", lambda: client.cancel_order(order_id=placed.order_id), lambda found: list(found.canceled) == [placed.order_id])
    step("unified: buy for 10 dollars", lambda: client.place_market_order(token_id=double.yes, side="BUY", amount="10", max_price="0.52", order_type="FOK"), lambda found: found.ok and found.status == "matched")
    step("unified: its trades", lambda: client.list_account_trades(token_id=double.yes).first_page().items, lambda found: found[0].trader_side == "TAKER")
    step("unified: cancel everything", lambda: client.cancel_all(), lambda found: list(found.canceled) == [])
    client.close()


def main():
    if len(sys.argv) != 2:
        print("usage: polymarket_check.py ARBEES", file=sys.stderr)
        return 2
    names = ["py-clob-client-v2", "polymarket-client"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{versions}: against {sys.argv[1]} exchange polymarket", flush=True)
    double = Double(sys.argv[1])
    try:
        check_v2(double)
        check_unified(double)
    finally:
        double.stop()
    print("as documented" if differences == 0 else f"{differences} steps differ")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
