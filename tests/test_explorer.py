"The explorer's panel, without a browser."
from dataclasses import replace
import pytest
pytest.importorskip('ipywidgets')
from gac.explorer import Explorer, Scene, checkpoints, controls, set_range
from gac.query import QUESTIONS, Ask, PlanPolicy, acting_of, asker

OPEN = dict(prior={'stored'}, target={'target','width','acting'}, improve={'quantile','delta_y','width','acting'}, best={'lam','width','acting'})

@pytest.fixture(scope='module')
def panel(): return Explorer(film=False)

@pytest.fixture
def asked(panel, monkeypatch):
    "The questions as they are put."
    seen, answer = [], Scene.answer
    def spy(self, question, cfg, acting, seed): seen.append((question,cfg,acting,seed)); return answer(self, question, cfg, acting, seed)
    monkeypatch.setattr(Scene, 'answer', spy)
    return seen

def usable(panel): return {k for k,c in panel.controls.items() if not c.disabled}-{'model','question','seed'}

def test_a_new_panel_asks_the_recipe_for_best_and_acts_as_evaluate_does(panel):
    assert (panel.model.value,panel.answer['question'],panel.acting.value,panel.answer['policy'].acting)==('hopper','best','mixed','mixed')
    assert usable(panel)==OPEN['best']

@pytest.mark.parametrize('question', tuple(QUESTIONS))
def test_only_what_the_question_looks_at_can_be_moved(panel, question):
    panel.question.value = question
    assert panel.answer['question']==question and usable(panel)==OPEN[question]
    assert not any(panel.controls[k].disabled for k in ('model','question','seed'))

@pytest.mark.parametrize('question,name,value', [('best','lam',.1), ('best','width',.25), ('target','target',2000.), ('target','width',.5),
    ('improve','delta_y',300.), ('improve','quantile',.9), ('improve','acting','mu'), ('prior','stored',True)])
def test_a_control_changes_its_question(panel, asked, question, name, value):
    panel.question.value = question
    before = panel.answer['q'], panel.answer['policy'].eps
    panel.controls[name].value = value
    cfg, acting = asked[-1][1:3]
    assert (acting if name=='acting' else getattr(cfg,name))==value
    assert not (before[0].mu.equal(panel.answer['q'].mu) and before[1].equal(panel.answer['policy'].eps))

def test_another_question_is_acted_upon_in_its_own_way(panel):
    panel.acting.value = 'mu'
    for question in ('target','best'):
        panel.question.value = question
        assert panel.acting.value==acting_of(panel.scene().run.model.arch, question)==panel.answer['policy'].acting

def test_a_scene_asks_as_the_package_does():
    scene = Scene(checkpoints()['hopper'])
    for cfg in (Ask(),Ask(stored=True)):
        pol = PlanPolicy(scene.run.model, asker(scene.run, 'best', replace(cfg, steps=scene.steps), 3), 'mixed', 3)
        pol.reset(scene.s0(3))
        assert pol.eps.equal(scene.answer('best', cfg, seed=3)['policy'].eps)

def test_the_prior_is_sampled_whatever_is_asked_for():
    scene = Scene(checkpoints()['demo'])
    a,b = (scene.answer('prior', acting=k) for k in ('mu','sample'))
    assert a['policy'].eps.abs().sum()>0 and a['policy'].eps.equal(b['policy'].eps)

def test_another_model_is_asked_once_though_y_star_moves_back(panel, asked):
    panel.model.value, panel.question.value = 'hopper-medium-replay', 'target'
    panel.target.value = panel.target.max
    asked.clear()
    panel.model.value = 'hopper-medium'
    assert len(asked)==1 and asked[0][1].target==panel.target.value==panel.target.max

@pytest.mark.parametrize('y,target,delta_y', [([-900.,-100.],(-1060,60,10),(0,390,10)), ([0.,1.],(-.2,1.2,.01),(0,.49,.01)), ([5.,5.],(4.8,5.2,.01),(0,.49,.01)), ([0.,3000.],(-600,3600,10),(0,1490,10))])
def test_sliders_reach_as_far_as_the_data_make_sense(y, target, delta_y):
    import numpy as np
    c = controls(['a'])
    set_range(c, np.array(y))
    for name,(lo,hi,step) in dict(target=target, delta_y=delta_y).items(): assert (c[name].min,c[name].max,c[name].step)==pytest.approx((lo,hi,step)) and lo<=c[name].value<=hi

@pytest.fixture
def bare(tmp_path, monkeypatch):
    "A folder with nothing in it, the shipped checkpoints to be fetched."
    import gac.fetch
    from gac.core import data_root
    def nowhere(): raise FileNotFoundError('no data/ folder found')
    monkeypatch.setenv('GAC_RELEASE', str(data_root()/'checkpoints'))
    monkeypatch.setenv('GAC_CACHE', str(tmp_path/'cache'))
    monkeypatch.setattr(gac.fetch, 'data_root', nowhere)
    monkeypatch.chdir(tmp_path)
    return tmp_path

def test_away_from_the_repository_a_model_is_fetched_when_it_is_chosen(bare):
    from gac.fetch import manifest
    found = checkpoints()
    assert next(iter(found))=='hopper' and {*found}=={*manifest()} and not (bare/'cache').exists()
    assert Scene(found['demo']).run.meta['env'] and [p.name for p in (bare/'cache').iterdir()]==['demo']

def test_away_from_the_repository_own_runs_come_first(bare):
    import shutil
    from gac.core import data_root
    shutil.copytree(data_root()/'checkpoints'/'demo', bare/'runs'/'mine')
    assert [*checkpoints()][:2]==['mine','hopper']

def test_an_own_run_of_a_shipped_name_hides_none(bare, monkeypatch):
    import shutil
    from gac.core import data_root
    from gac.fetch import cache, manifest
    data = data_root()
    shutil.copytree(data/'checkpoints'/'demo', bare/'runs'/'hopper')
    away = checkpoints()
    assert away['runs/hopper']==bare/'runs'/'hopper' and {*away}-{'runs/hopper'}=={*manifest()}
    assert all(away[k]==cache()/k for k in manifest())
    monkeypatch.setenv('GAC_DATA', str(data))
    monkeypatch.setattr('gac.fetch.data_root', data_root)
    here = checkpoints()
    assert next(iter(here))=='hopper' and here['hopper']==data/'checkpoints'/'hopper' and here['runs/hopper']==bare/'runs'/'hopper'

def test_a_mistyped_data_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv('GAC_DATA', str(tmp_path/'lost'))
    with pytest.raises(FileNotFoundError, match='GAC_DATA=.*lost is not a folder'): checkpoints()

def test_a_model_that_cannot_be_had_is_named_and_the_one_before_stays(bare, monkeypatch):
    from gac.fetch import fetch
    fetch('demo')
    panel = Explorer(film=False)
    before = panel.answer
    monkeypatch.setenv('NO_PROXY', '*')
    for release,said in (('http://127.0.0.1:9/<b>','127.0.0.1:9/&lt;b&gt;'), ('nowhere','nowhere: neither a folder')):
        monkeypatch.setenv('GAC_RELEASE', release)
        lines = []
        panel.said.observe(lambda change: lines.append(change['new']), 'value')
        panel.model.set_state(dict(index=[*panel.known].index('hopper'))) # as a page does
        assert panel.model.value==panel.chosen=='demo' and panel.answer is before
        assert 'hopper is being fetched' in lines[0] and said in panel.said.value==lines[-1] and 'gac-readout' in lines[-1]
    panel.question.value = 'prior'
    assert panel.answer['question']=='prior' and panel.answer is not before

def test_the_button_comes_back_where_acting_fails(panel, monkeypatch):
    def fails(*_): raise RuntimeError('no world')
    monkeypatch.setattr('gac.explorer.act_out', fails)
    with pytest.raises(RuntimeError, match='no world'): panel.roll()
    assert not panel.go.disabled

def test_away_from_everything_one_line_says_what_is_missing(bare, monkeypatch):
    import gac.fetch
    monkeypatch.delenv('GAC_RELEASE')
    monkeypatch.setattr(gac.fetch, 'repository', lambda: ('',''))
    with pytest.raises(ValueError, match='knows no address to fetch from'): Explorer(film=False)
