"What comes over the wire, from a server that answers as it is told: resumed, cut, too long, wrong, twice at once."
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import socket, threading
import pytest
from gac import fetch as f
from gac.core import DiskFull, data_root
from gac.folder import locked

BODY = bytes(range(256))*1024 # four blocks
RIGHT = sha256(BODY).hexdigest()

class Handler(BaseHTTPRequestHandler):
    def do_GET(self): self.server.answer(self)
    def log_message(self, *a): pass

@contextmanager
def serving(answer): # function of a request -> address
    server = ThreadingHTTPServer(('127.0.0.1',0), Handler)
    server.answer, server.asked = answer, []
    threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=.01), daemon=True).start()
    try: yield f'http://127.0.0.1:{server.server_port}/x', server.asked
    finally:
        server.shutdown()
        server.server_close()

def say(h, status, body=b'', length=None): # note what was asked, answer
    h.server.asked.append(h.headers.get('Range'))
    h.send_response(status)
    h.send_header('Content-Length', str(len(body) if length is None else length))
    h.end_headers()
    try: h.wfile.write(body)
    except OSError: pass # the reader has had enough

def ranges(h): # a server that knows of them
    have = int((h.headers.get('Range') or 'bytes=0-')[6:-1])
    if have>=len(BODY): say(h, 416)
    else: say(h, 206 if have else 200, BODY[have:])

def put(folder, some): # what came before the line broke
    (folder/'x.part').write_bytes(some)
    return folder/'x'

def left(folder): return sorted(p.name for p in folder.rglob('*') if p.is_file())

@pytest.mark.parametrize('answer', [ranges, lambda h: say(h, 200, BODY)], ids=['206','200 although a range was asked'])
def test_resumes(answer, tmp_path):
    to, told = put(tmp_path, BODY[:1000]), []
    with serving(answer) as (url, asked): assert f.download(url, to, RIGHT, len(BODY), told.append).read_bytes()==BODY
    assert asked==['bytes=1000-'] and sum(told)==len(BODY) and left(tmp_path)==['x']

def test_what_is_here_is_not_asked_for(tmp_path):
    (tmp_path/'x').write_bytes(BODY)
    told = []
    with serving(ranges) as (url, asked): f.download(url, tmp_path/'x', RIGHT, len(BODY), told.append)
    assert not asked and told==[len(BODY)]

def test_416_is_asked_once_more_from_the_start(tmp_path):
    to = put(tmp_path, BODY[:1000])
    def answer(h): say(h, 416) if h.headers.get('Range') else say(h, 200, BODY)
    with serving(answer) as (url, asked): f.download(url, to, RIGHT, len(BODY))
    assert asked==['bytes=1000-',None] and left(tmp_path)==['x']

@pytest.mark.parametrize('status', [404,416,500])
def test_a_server_that_always_refuses_is_left(status, tmp_path):
    to = put(tmp_path, BODY[:1000])
    with serving(lambda h: say(h, status)) as (url, asked), pytest.raises(ConnectionError, match=f'says {status}'): f.download(url, to, RIGHT, len(BODY))
    assert len(asked)<=2 and left(tmp_path)==['x.part']

def test_too_long_is_read_to_one_byte_more(tmp_path):
    told = []
    with serving(lambda h: say(h, 200, BODY*4)) as (url,_), pytest.raises(ValueError, match=f'more than {len(BODY)} bytes'):
        f.download(url, tmp_path/'x', RIGHT, len(BODY), told.append)
    assert sum(told)==len(BODY)+1 and left(tmp_path)==[]

def test_wrong_is_not_kept(tmp_path):
    with serving(lambda h: say(h, 200, bytes(len(BODY)))) as (url,_), pytest.raises(ValueError, match='SHA-256.*not kept'): f.download(url, tmp_path/'x', RIGHT, len(BODY))
    assert left(tmp_path)==[]

def test_a_full_disk_is_named(tmp_path, full_disk):
    with serving(ranges) as (url,_), full_disk(100_000), pytest.raises(DiskFull, match='x.part cannot be written: File too large; make room'): f.download(url, tmp_path/'x', RIGHT, len(BODY))
    with serving(ranges) as (url, asked): assert f.download(url, tmp_path/'x', RIGHT, len(BODY)).read_bytes()==BODY
    assert left(tmp_path)==['x']

def cut(h): say(h, 200, BODY[:100_000], len(BODY)) # fewer bytes than promised

def test_cut_and_resumed(tmp_path):
    with serving(cut) as (url,_), pytest.raises(ConnectionError, match='same command goes on'): f.download(url, tmp_path/'x', RIGHT, len(BODY))
    assert (tmp_path/'x.part').read_bytes()==BODY[:100_000]
    with serving(ranges) as (url, asked): f.download(url, tmp_path/'x', RIGHT, len(BODY))
    assert asked==['bytes=100000-'] and left(tmp_path)==['x']

def test_short_chunk_is_a_cut(tmp_path):
    def answer(h):
        h.send_response(200)
        h.send_header('Transfer-Encoding', 'chunked')
        h.end_headers()
        h.wfile.write(b'%x\r\n' % len(BODY)+BODY[:9])
    Handler.protocol_version = 'HTTP/1.1'
    try:
        with serving(answer) as (url,_), pytest.raises(ConnectionError, match='broken off'): f.download(url, tmp_path/'x', RIGHT, len(BODY))
    finally: Handler.protocol_version = 'HTTP/1.0'

@pytest.mark.parametrize('said', [b'', b'no HTTP at all\r\n\r\n', b'HTTP/1.1 two hundred\r\n\r\n'], ids=['nothing','another protocol','bad status'])
def test_no_server_of_the_web(said, tmp_path):
    def once(s):
        c,_ = s.accept()
        c.recv(4096)
        c.sendall(said)
        c.close()
    with socket.create_server(('127.0.0.1',0)) as s:
        threading.Thread(target=once, args=(s,), daemon=True).start()
        with pytest.raises(ConnectionError, match='cannot be reached|broken off|of 262144 bytes'): f.download(f'http://127.0.0.1:{s.getsockname()[1]}/x', tmp_path/'x', RIGHT, len(BODY))

@pytest.mark.parametrize('url', ['http://127.0.0.1:port', 'http://[', 'http://a b/', 'http://..a'])
def test_no_address(url, tmp_path):
    with pytest.raises(ConnectionError, match='cannot be reached'): f.download(f.source(url)('demo','x'), tmp_path/'x', RIGHT, len(BODY))

def test_braces_in_an_address_and_a_folder(tmp_path):
    assert f.source('https://h/{x}/')('demo','a.json')=='https://h/{x}/demo-a.json'
    (tmp_path/'{x}').mkdir()
    (tmp_path/'{x}'/'demo-a').write_bytes(b'here')
    assert f.download(f.source(tmp_path/'{x}')('demo','a'), tmp_path/'a', sha256(b'here').hexdigest(), 4).read_bytes()==b'here'

def test_one_process_fetches_at_a_time(tmp_path):
    import subprocess, sys
    code = f'import sys; from gac.fetch import fetch\ntry: fetch("demo", sys.argv[1], sys.argv[2])\nexcept BlockingIOError as e: print(e)'
    with locked(tmp_path/'demo'):
        r = subprocess.run([sys.executable,'-c',code,data_root()/'checkpoints',tmp_path], capture_output=True, text=True, check=True)
    assert 'another process' in r.stdout and '--cache' in r.stdout and left(tmp_path)==[]
    assert f.fetch('demo', data_root()/'checkpoints', tmp_path)==tmp_path/'demo' and sorted(p.name for p in tmp_path.iterdir())==['demo']

def test_the_second_of_two_does_not_transfer_again(tmp_path, monkeypatch):
    "It has looked before the first was ready, and comes in after it."
    here, source = data_root()/'checkpoints', f.source
    def meanwhile(url):
        monkeypatch.setattr(f, 'source', source)
        f.fetch('demo', here, tmp_path)
        monkeypatch.setattr(f, 'download', lambda *_: pytest.fail('transferred again'))
    monkeypatch.setattr(f, 'source', meanwhile)
    assert f.fetch('demo', here, tmp_path)==tmp_path/'demo' and [p.name for p in tmp_path.iterdir()]==['demo']

@pytest.mark.parametrize('late', [False,True], ids=['before','while waiting'])
def test_another_checkpoint_is_not_replaced(late, tmp_path, monkeypatch):
    own, source = tmp_path/'demo'/'checkpoint'/'config.json', f.source
    def make():
        own.parent.mkdir(parents=True)
        own.write_bytes(b'mine')
    if late: monkeypatch.setattr(f, 'source', lambda url: make() or source(url))
    else: make()
    with pytest.raises(ValueError, match=r'demo.checkpoint is not .*: remove it, or give another --cache'): f.fetch('demo', data_root()/'checkpoints', tmp_path)
    assert own.read_bytes()==b'mine' and left(tmp_path)==['config.json']
    if not late: assert f.fetch('demo', data_root()/'checkpoints', tmp_path/'other')==tmp_path/'other'/'demo'

def test_fetch_goes_on_with_what_has_come(tmp_path):
    first = f.manifest()['demo'][0]
    def answer(h): # the first file, then nothing
        say(h, 200, (data_root()/'checkpoints'/'demo'/'checkpoint'/first['file']).read_bytes()) if first['file'] in h.path else say(h, 503)
    with serving(answer) as (url,_), pytest.raises(ConnectionError, match='says 503'): f.fetch('demo', url, tmp_path)
    assert left(tmp_path)==[first['file']] and not (tmp_path/'demo').exists()
    (tmp_path/'.demo'/first['file']).write_bytes(b'not what came') # nothing of it is taken on trust
    run = f.fetch('demo', data_root()/'checkpoints', tmp_path)
    assert all(f.digest(run/'checkpoint'/p['file'])==p['sha256'] for p in f.manifest()['demo'])

def test_a_release_has_every_file_of_the_manifest(root, tmp_path):
    "By the line of the workflow itself."
    import subprocess, yaml
    steps = yaml.safe_load((root/'.github'/'workflows'/'release.yml').read_text())['jobs']['build']['steps']
    line = next(s['run'] for s in steps if 'asks for' in s.get('name',''))
    (tmp_path/'data').symlink_to(root/'data')
    subprocess.run(['bash','-e','-c',line], cwd=tmp_path, check=True)
    assert left(tmp_path/'files')==sorted(f"{k}-{p['file']}" for k,v in f.manifest().items() for p in v)
    for name in f.manifest(): assert f.fetch(name, tmp_path/'files', tmp_path/'cache')==tmp_path/'cache'/name

def test_a_release_is_shown_after_all_else(root):
    import yaml
    jobs = yaml.safe_load((root/'.github'/'workflows'/'release.yml').read_text())['jobs']
    assert [jobs[k].get('needs') for k in ('draft','pypi','publish')]==[['test','build'],'draft','pypi']
    used = [s['uses'] for w in ('release','docs') for j in yaml.safe_load((root/'.github'/'workflows'/f'{w}.yml').read_text())['jobs'].values() for s in j.get('steps',[]) if 'uses' in s]
    assert used and all(u.partition('@')[2].count('.')==2 for u in used), used

def named(monkeypatch, *urls):
    "A package whose metadata say so, outside the repository."
    from email.message import Message
    told = Message()
    told['Version'] = '1.2.3'
    for u in urls: told['Project-URL'] = u
    def nowhere(): raise FileNotFoundError('no data/ folder found')
    monkeypatch.delenv('GAC_RELEASE', raising=False)
    monkeypatch.setattr(f, 'metadata', lambda name: told)
    monkeypatch.setattr(f, 'data_root', nowhere)

def test_a_package_that_names_its_repository_is_enough(monkeypatch, tmp_path):
    named(monkeypatch, 'Issues, https://x.org/i', 'Source, https://github.com/jane/x')
    assert f.source()('demo','a.json')=='https://github.com/jane/x/releases/download/v1.2.3/demo-a.json'
    assert f.results_at()=='https://github.com/jane/x/raw/v1.2.3/data/results'
    monkeypatch.setenv('GAC_RELEASE', str(data_root()/'checkpoints'))
    monkeypatch.setenv('GAC_CACHE', str(tmp_path))
    assert f.shipped('demo')==tmp_path/'demo' and (tmp_path/'demo'/'checkpoint').is_dir()

def test_a_version_that_is_not_released_says_so(monkeypatch, tmp_path):
    with serving(lambda h: say(h, 404)) as (url,_):
        named(monkeypatch, f'Source, {url}')
        with pytest.raises(ConnectionError, match='says 404 .*may not be released: give --from'): f.fetch('demo', folder=tmp_path)
        with pytest.raises(ConnectionError, match=r'says 404 Not Found$'): f.fetch('demo', f'{url}/own', tmp_path)

def test_a_mistyped_data_folder_is_named_and_nothing_fetched(monkeypatch, tmp_path):
    from gac import core
    named(monkeypatch, 'Source, https://github.com/jane/x')
    monkeypatch.setattr(f, 'data_root', core.data_root)
    monkeypatch.setattr(f, 'fetch', lambda *_: pytest.fail('fetched'))
    monkeypatch.setenv('GAC_DATA', str(tmp_path/'lost'))
    for asked in (lambda: f.shipped('demo'), f.results_at):
        with pytest.raises(FileNotFoundError, match='GAC_DATA=.*lost is not a folder'): asked()

def test_one_that_names_none_says_what_is_missing(monkeypatch, tmp_path):
    named(monkeypatch, 'Issues, https://x.org/i')
    monkeypatch.setenv('GAC_CACHE', str(tmp_path))
    with pytest.raises(ValueError, match='knows no address to fetch from: give --from'): f.shipped('demo')
    with pytest.raises(FileNotFoundError, match='no data/ folder'): f.results_at()

def test_in_the_repository_nothing_is_fetched(monkeypatch):
    monkeypatch.setattr(f, 'fetch', lambda *_: pytest.fail('fetched'))
    assert f.shipped('demo')==data_root()/'checkpoints'/'demo' and f.results_at()==str(data_root()/'results')
