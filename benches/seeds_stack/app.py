"""The stack of the seed documents, doing what bm-server does on /proxy/*: a yardstick, never shipped."""

import hashlib
import hmac
import os
import secrets
import time
from contextlib import asynccontextmanager

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import BigInteger, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ISSUER, AUDIENCE = os.environ["BENCH_ISSUER"], os.environ["BENCH_AUDIENCE"]
PUBLIC_KEY = open(os.environ["BENCH_PUBLIC_KEY"], "rb").read()
MASTER = bytes.fromhex(os.environ["BENCH_MASTER"])
DROPPED = {"authorization", "connection", "content-length", "cookie", "host", "keep-alive", "te",
           "trailer", "transfer-encoding", "upgrade", "server", "set-cookie"}


class Base(DeclarativeBase):
    pass


class Subscription(Base):
    __tablename__ = "subscriptions"
    workos_user_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    current_period_end: Mapped[int | None] = mapped_column(BigInteger)


class UserProfile(Base):
    __tablename__ = "user_profile"
    id: Mapped[str] = mapped_column(primary_key=True)
    workos_user_id: Mapped[str]
    tenant_id: Mapped[str | None]


class Tenant(Base):
    __tablename__ = "tenant"
    id: Mapped[str] = mapped_column(primary_key=True)
    tigris_bucket_name: Mapped[str | None]


class TenantInstance(Base):
    __tablename__ = "tenant_instance"
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    key_id: Mapped[str]


engine = create_async_engine(os.environ["BENCH_DATABASE"], pool_size=16)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=64)) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def session():
    async with sessions() as opened:
        yield opened


async def member(request: Request, db: AsyncSession = Depends(session)):
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "unauthenticated")
    try:
        claims = jwt.decode(token, PUBLIC_KEY, algorithms=["RS256"], audience=AUDIENCE,
                            issuer=ISSUER, options={"require": ["exp", "sub", "sid", "jti"]})
    except jwt.PyJWTError as error:
        raise HTTPException(401, "unauthenticated") from error
    found = await db.execute(
        select(Subscription, UserProfile, Tenant, TenantInstance)
        .join(UserProfile, UserProfile.workos_user_id == Subscription.workos_user_id)
        .join(Tenant, Tenant.id == UserProfile.tenant_id)
        .join(TenantInstance, TenantInstance.tenant_id == Tenant.id)
        .where(Subscription.workos_user_id == claims["sub"]))
    row = found.first()
    now_ms = time.time() * 1000
    if row is None or row[0].status != "active" or (row[0].current_period_end or 0) < now_ms:
        raise HTTPException(403, {"error": "subscription_required"})
    return claims["sub"], row[2], row[3]


def signature(tenant: str, key_id: str, message: str) -> str:
    secret = hmac.new(bytes(32), MASTER, hashlib.sha256).digest()
    info = b"\0".join([b"bm-tenant v2", tenant.encode(), key_id.encode()]) + b"\1"
    key = hmac.new(secret, info, hashlib.sha256).digest()
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


@app.api_route("/proxy/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def proxy(path: str, request: Request, who=Depends(member)):
    user, tenant, instance = who
    query = f"?{request.url.query}" if request.url.query else ""
    target, body = f"/{path}{query}", await request.body()
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    signed = "\n".join(["v2", tenant.id, stamp, request.method, target, digest, nonce, user])
    headers = {name: value for name, value in request.headers.items()
               if name not in DROPPED and not name.startswith(("x-bm-", "x-forwarded-"))}
    headers |= {"x-bm-tenant": tenant.id, "x-bm-timestamp": stamp, "x-bm-body-sha256": digest,
                "x-bm-nonce": nonce, "x-bm-user": user, "x-bm-key-id": instance.key_id,
                "x-bm-signature": signature(tenant.id, instance.key_id, signed)}
    client: httpx.AsyncClient = request.app.state.client
    outgoing = client.build_request(request.method, f"http://{instance.address}{target}",
                                    headers=headers, content=body)
    answer = await client.send(outgoing, stream=True)
    kept = {name: value for name, value in answer.headers.items() if name not in DROPPED}
    return StreamingResponse(answer.aiter_raw(), answer.status_code, kept,
                             background=None if answer.is_closed else _closing(answer))


def _closing(answer: httpx.Response):
    from starlette.background import BackgroundTask
    return BackgroundTask(answer.aclose)
