"Three questions to the shipped Hopper checkpoint, filmed side by side from the same initial state: hopper.gif, a minute."
import tempfile
from pathlib import Path
import imageio.v2 as imageio
from PIL import Image, ImageDraw, ImageFont
from gac.core import data_root, set_threads
from gac.envs import rollout
from gac.film import film
from gac.query import PlanPolicy, acting_of, asker, bounds
from gac.run import load_run

SEED, SIDE, FPS = 0, 220, 12.5 # environment seed, pixels, pictures per second
QUESTIONS = 'prior', 'improve', 'best'

def played(run, question, folder): # -> pictures, caption
    "One episode and its film."
    low, high = bounds(run.meta['env'])
    policy = PlanPolicy(run.model, asker(run, question, seed=SEED), acting_of(run.model.arch, question), SEED, low, high)
    tau = rollout(run.meta['env'], policy, 1, SEED)
    path = film(run.meta['env'], policy, folder/f'{question}.mp4', seed=SEED, rate=FPS)
    pictures = [Image.fromarray(p).resize((SIDE,SIDE)) for p in imageio.mimread(path, memtest=False)]
    return pictures, f'{question}: return {tau.y.item():.0f}'

def side_by_side(films, t): # -> the picture at time t; a film that is over stays at its last one, pale
    "Three pictures and their captions."
    sheet = Image.new('RGB', (SIDE*len(films),SIDE+24), 'white')
    for i,(pictures,caption) in enumerate(films):
        p = pictures[min(t, len(pictures)-1)]
        if t>=len(pictures): p = Image.blend(p, Image.new('RGB', p.size, 'white'), .6)
        sheet.paste(p, (i*SIDE,24))
        ImageDraw.Draw(sheet).text((i*SIDE+8,3), caption, 'black', ImageFont.load_default(15))
    return sheet

set_threads(1)
run = load_run(data_root()/'checkpoints'/'hopper')
with tempfile.TemporaryDirectory() as folder: films = [played(run, q, Path(folder)) for q in QUESTIONS]
longest = max(len(p) for p,_ in films)
sheets = [side_by_side(films, t) for t in range(longest+6)]
palette = sheets[longest//2].quantize(48)
frames = [s.quantize(palette=palette, dither=Image.Dither.NONE) for s in sheets]
frames[0].save(data_root()/'films'/'hopper.gif', save_all=True, append_images=frames[1:],
    duration=int(1000/FPS), loop=0, optimize=True)
print(*(c for _,c in films), f'{longest} pictures', sep='\n')
