"A folder has one writer at a time, and nothing in it leads it to write elsewhere."
import json, os, signal, subprocess
import pytest
from gac.folder import (Held, Stopped, Version, alive, stop_asked, begin_with, begun_with, fresh_file, interruptible, locked, renewing, standing,
    stop, stoppable, usable)

# ---- links of somebody else

@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_a_lock_that_is_a_link_is_refused(link, tmp_path):
    mine = tmp_path/'precious.txt'; mine.write_text('years of work'); (tmp_path/'run').mkdir(); link(mine, tmp_path/'run'/'.lock')
    with pytest.raises(FileExistsError, match=r'run/\.lock is a link .* remove it, or choose another place'):
        with locked(tmp_path/'run'): pass
    assert mine.read_text()=='years of work' and not (tmp_path/'run'/'checkpoint').exists()

def test_a_lock_that_leads_nowhere_makes_no_file(tmp_path):
    (tmp_path/'run').mkdir(); os.symlink(tmp_path/'new.txt', tmp_path/'run'/'.lock')
    with pytest.raises(FileExistsError, match=r'\.lock is a link'):
        with locked(tmp_path/'run'): pass
    assert not (tmp_path/'new.txt').exists()

def test_a_lock_that_is_a_pipe_is_refused(tmp_path):
    (tmp_path/'run').mkdir(); os.mkfifo(tmp_path/'run'/'.lock')
    with pytest.raises(FileExistsError, match='no plain file'):
        with locked(tmp_path/'run'): pass

def test_a_fresh_file_is_never_somebody_elses(tmp_path):
    mine = tmp_path/'precious.txt'; mine.write_text('years of work'); os.symlink(mine, tmp_path/'log.txt')
    for text in ('first','second'):
        with fresh_file(tmp_path/'log.txt') as f: f.write(text)
        assert (tmp_path/'log.txt').read_text()==text and not (tmp_path/'log.txt').is_symlink() and mine.read_text()=='years of work'

# ---- one writer

def test_a_place_that_cannot_be_a_run(tmp_path):
    (tmp_path/'file').write_text('mine')
    for where in (tmp_path/'file', tmp_path/'file'/'run'):
        with pytest.raises(NotADirectoryError, match='file is a file, not a folder: choose another --out'): usable(where)
    (tmp_path/'checkpoint').write_text('mine')
    with pytest.raises(FileExistsError, match='checkpoint is a file, not a checkpoint; it stays as it is'): usable(tmp_path)
    assert usable(tmp_path/'new'/'run')==tmp_path/'new'/'run' and not (tmp_path/'new').exists()

def test_a_lock_is_ours_again_and_leaves_no_empty_folder(tmp_path):
    with locked(tmp_path/'new'/'run'):
        assert f'process {os.getpid()} on' in (tmp_path/'new'/'run'/'.lock').read_text()
        with locked(tmp_path/'new'/'run'): pass # by the same process
        assert (tmp_path/'new'/'run'/'.lock').exists()
    assert not (tmp_path/'new').exists()
    for nothing in (None,''):
        with locked(nothing): pass

def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    import fcntl
    (tmp_path/'.lock').write_text('process 7 on moon')
    with open(tmp_path/'.lock','r+') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        with pytest.raises(Held, match='is being written by process 7 on moon: wait for it, end it, or choose another --out'):
            with locked(tmp_path): pass

def test_what_a_dead_process_left_is_swept_and_nothing_else(tmp_path):
    dead = subprocess.Popen(['true'])
    dead.wait()
    assert alive(os.getpid()) and not alive(dead.pid) and not alive(2**30) and alive(2**70)
    (tmp_path/'checkpoint').mkdir()
    left = [tmp_path/f'.rows.csv.{dead.pid}.tmp', tmp_path/'checkpoint'/f'.config.json.{dead.pid}.tmp.json']
    stays = [tmp_path/f'.rows.csv.{os.getpid()}.tmp', tmp_path/'.mine', tmp_path/'checkpoint'/'.mine.tmp']
    for p in (*left,*stays): p.write_text('x')
    with locked(tmp_path): pass
    assert not any(p.exists() for p in left) and all(p.exists() for p in stays)

# ---- versions of a checkpoint

def save(at, text, names=('model.safetensors','history.json'), fails=False):
    with renewing(at) as new:
        for k in names: new(k).write_text(text)
        if fails: raise OSError('disk full')
        new.name(dict(said=text))

def held(at): return {k:p.read_text() for k,p in standing(at).files().items()}, json.loads((at/'config.json').read_text())['said']

def test_all_files_are_new_or_none_is(tmp_path):
    at = tmp_path/'checkpoint'
    for text in ('first','second'):
        save(at, text)
        assert held(at)==({'model.safetensors':text,'history.json':text}, text) and len(list(at.iterdir()))==3
    (at/'notes.txt').write_text('mine')
    with pytest.raises(OSError, match='disk full'): save(at, 'third', fails=True)
    save(at, 'fourth', names=('model.safetensors',)) # a file less
    assert held(at)==({'model.safetensors':'fourth'}, 'fourth') and (at/'notes.txt').read_text()=='mine'

def test_a_version_that_counts_under_its_other_name_goes_home(tmp_path, monkeypatch):
    "As on a file system without second names, or after a kill: it is read where it is, and the next lock renames it."
    at = tmp_path/'checkpoint'
    save(at, 'first')
    with monkeypatch.context() as m:
        def none(*args): raise OSError('no links here')
        m.setattr(os, 'link', none)
        save(at, 'second')
    assert standing(at).mark=='.new' and held(at)[1]=='second' and (at/'model.new.safetensors').exists()
    with locked(tmp_path): pass
    assert standing(at).mark=='' and held(at)==({'model.safetensors':'second','history.json':'second'}, 'second')
    assert sorted(p.name for p in at.iterdir())==['config.json','history.json','model.safetensors']

def test_half_a_version_is_dropped(tmp_path):
    at = tmp_path/'checkpoint'
    save(at, 'first')
    Version(at, '.new')('model.safetensors').write_text('half')
    with locked(tmp_path): pass
    assert held(at)[1]=='first' and not (at/'model.new.safetensors').exists()

# ---- what a training began with

TOLD = dict(job=dict(seed=0), settings=dict(width=8), data=dict(fingerprint='1e5'))

def test_a_training_goes_on_only_as_it_began(tmp_path):
    assert begun_with(tmp_path)=={}
    begin_with(tmp_path, TOLD, False)
    assert begun_with(tmp_path)==TOLD
    begin_with(tmp_path, TOLD, True)
    with pytest.raises(ValueError, match='was begun with width=8, and now it is 9: choose another --out'): begin_with(tmp_path, TOLD|dict(settings=dict(width=9)), True)
    begin_with(tmp_path, TOLD|dict(settings=dict(width=9)), False) # nothing was there yet
    assert begun_with(tmp_path)['settings']==dict(width=9)

@pytest.mark.parametrize('text', ['', '[]', '{}', '{"job": 3, "settings": {}}', '['*100_000])
def test_settings_of_something_else_are_left_alone(text, tmp_path):
    (tmp_path/'settings.json').write_text(text)
    with pytest.raises(FileExistsError, match='settings.json does not hold the settings of a training'): begun_with(tmp_path)
    assert (tmp_path/'settings.json').read_text()==text

# ---- asked to stop

@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_noted_and_ends_the_block_with_its_status(number, capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler) # a parent in the background may have it ignored
    try:
        mine = signal.getsignal(number)
        with pytest.raises(SystemExit) as e, interruptible():
            os.kill(os.getpid(), number)
            assert stop_asked()==number and signal.getsignal(number) is mine # a second one is not noted
            stop(7, 9, 'runs/a')
        assert e.value.code==128+number and not stop_asked() and signal.getsignal(number) is mine
        said = capsys.readouterr().err
        assert f'gac: stopped by {number.name} at iteration 7 of 9; saved in runs/a' in said and said.count('\n')==1
    finally: signal.signal(signal.SIGINT, before)

def test_in_python_ctrl_c_stays_ctrl_c(capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt, match='it is in runs/a') as e, stoppable(lambda: 'it is in runs/a'):
            os.kill(os.getpid(), signal.SIGINT)
            stop(7, None, None)
        assert not isinstance(e.value, Stopped) and 'iteration 7 of ?' in capsys.readouterr().err
        with interruptible(): assert not stop_asked() # nobody asks: nothing happens
    finally: signal.signal(signal.SIGINT, before)
