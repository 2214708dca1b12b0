"Commands that give a run away: what they cannot write is said before any work; what they write is small and still answers."
import pytest
from gac.run import load_run
from toys.terminal import call, calm, quiet, refused, stocked, tree

@pytest.fixture(scope='module')
def shelf(tmp_path_factory): yield from stocked(tmp_path_factory)

@pytest.fixture(autouse=True)
def _calm(monkeypatch): calm(monkeypatch)

@pytest.mark.parametrize('args,says', [
    (['film','{}/run','--out','{}/x.avi'], ['x.avi','use .mp4 or .gif']), (['film','{}/run','--out','{}/x'], ['use .mp4 or .gif']),
    (['film','{}/nothing','--out','{}/x.mp4'], ['no checkpoint in','nothing']), (['film','{}/run','--out','{}/x.mp4','--question','worst'], ["unknown question 'worst'"]),
    (['film','{}/run','--out','{}/x.mp4','--env','Hopper-v5'], ['S=11, A=3','S=3, A=2']), (['film','{}/run','--out','{}/cut.hdf5/x.mp4'], ['cut.hdf5']),
    (['export','{}/run','--out','{}/x.pt','--to','tflite'], ['tflite','choose torchscript or onnx']), (['export','{}/run','--out','{}/x.pt','--to','onnx'], ['.onnx']),
    (['export','{}/nothing','--out','{}/x.pt'], ['no checkpoint in']), (['export','{}/run','--out','{}/x.pt','--question','best','--target','3'], ['--target 3','does not look at it']),
    (['export','{}/run','--out','{}/run'], ['run']), (['slim','{}/nothing','{}/new'], ['no checkpoint in']), (['slim','{}/run','{}/cut.hdf5'], ['cut.hdf5','is a file']),
    (['slim','{}/run','{}/new','--keep','0'], ["'--keep' 0"]), (['fetch','no-such-checkpoint'], ['no-such-checkpoint','demo'])], ids=lambda x: x[0] if isinstance(x,list) else '')
def test_what_cannot_be_given_away(capsys, shelf, args, says): refused(capsys, shelf, [a.format(shelf) for a in args], says)

def test_a_slim_copy_of_a_few_posteriors(capsys, shelf, tmp_path):
    quiet('slim', shelf/'run', tmp_path/'few', '--keep', 3)
    assert len(load_run(tmp_path/'few').store)==3 and ' MB' in capsys.readouterr().out
    quiet('slim', tmp_path/'few', tmp_path/'fewer', '--keep', 1) # of a slim one
    quiet('ask', tmp_path/'fewer', '--state', '0,.1,.2', '--steps', 2)
    assert 'predicted return' in capsys.readouterr().out

def test_an_exported_file_is_told_of(capsys, shelf, tmp_path):
    quiet('export', shelf/'run', '--out', tmp_path/'x.pt', '--question', 'prior')
    assert (tmp_path/'x.pt').stat().st_size>10_000 and f"written: {tmp_path/'x.pt'}" in capsys.readouterr().out
    before = tree(tmp_path)
    assert call('export', shelf/'run', '--out', tmp_path/'x.pt'/'below.pt')==2 and tree(tmp_path)==before
