"""Others that bring a schema up to date, given the SQL that Django sends, each in the layout that it asks for."""

from benchmarks.peers.alembic import Alembic
from benchmarks.peers.dbmate import Dbmate
from benchmarks.peers.drizzle import Drizzle
from benchmarks.peers.peer import Peer
from benchmarks.peers.yoyo import Yoyo

PEERS: tuple[Peer, ...] = (Dbmate(), Drizzle(), Alembic(), Yoyo())
