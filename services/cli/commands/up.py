"""``vidare up``: broker and services on this machine, until somebody ends it."""

from services.chassis.onboarding import load_partners
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import load_settings
from services.cli.running import interruptible, running, small_machine
from services.cli.secrets import FILE, read_secrets
from services.cli.supervisor import Mesh

LOOK_EVERY_S = 0.5


def up(*, workers: int = 1, json: bool = False) -> int:
    """Run the mesh; 0 after an interrupt, 78 where a process turned out to be misconfigured."""
    settings = small_machine(load_settings())
    with interruptible():
        try:
            with running(settings, output.note, workers=workers) as mesh:
                _greet(mesh, json=json)
                while not mesh.wait(LOOK_EVERY_S):
                    pass
        except KeyboardInterrupt:
            output.note("stopped: nothing that was started here runs any more")
            return 0
    output.note(mesh.failed or "the mesh ended by itself")
    return 78


def _greet(mesh: Mesh, *, json: bool) -> None:
    settings = mesh.settings
    if json:
        places = {name: address for name, address, _ in mesh.addresses()}
        output.as_json({"kafka": settings.kafka, "home": str(settings.home), "processes": places}, pretty=False)
        return
    output.line(f"broker    {settings.kafka}    (VIDARE_KAFKA for other programs)")
    output.table(("process", "address", "what"), mesh.addresses())
    output.line(f"logs      {settings.home / 'logs'}")
    _tokens(mesh, settings)
    output.line("Ctrl-C stops everything.")


def _tokens(mesh: Mesh, settings: Settings) -> None:
    secrets = read_secrets(settings.home)
    names = {partner: f"VIDARE_TOKEN_{partner.upper().replace('-', '_')}" for partner in load_partners(settings)}
    tokens = {partner: secrets[name] for partner, name in names.items() if name in secrets}
    if not tokens:
        return
    output.line(f"tokens    of the demo partners; those of the demo agencies are in {settings.home / FILE}:")
    for partner, token in sorted(tokens.items()):
        output.line(f"          {partner:14} {token}")
    body = """'{"reference": "E-1", "kind": "csam", "urls": ["https://host.example/a"]}'"""
    address = f"http://127.0.0.1:{mesh.port_of('intake-door')}"
    output.line(f"try       curl -H 'Authorization: Bearer <token>' {address}/v1/tips -d {body}")
