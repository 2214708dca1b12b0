"Reads settings.ini, so that version, requirements and extras are written once."
from configparser import ConfigParser
from pathlib import Path
import setuptools

root = Path(__file__).resolve().parent
cfg = ConfigParser(delimiters=['='], interpolation=None); cfg.read(root/'settings.ini', encoding='utf-8'); cfg = cfg['DEFAULT']
extras = {k: cfg[f'{k}_requirements'].split() for k in ('notebooks','tensorboard','cluster','tune','mazes','export','baselines','dev')}

url = cfg.get('git_url','').rstrip('/') # empty until `make address`
links = dict(Source=url, Changelog=f"{url}/blob/{cfg['branch']}/CHANGELOG.md") if url else {}

setuptools.setup(
    name=cfg['lib_name'], version=cfg['version'], license='MIT', description=cfg['description'], keywords=cfg['keywords'].split(),
    author=cfg['author'], project_urls=links,
    long_description=(root/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    packages=setuptools.find_packages(include=['gac','gac.*']), include_package_data=True, package_data={'gac': ['py.typed','*.pyi','checkpoints.csv','paper/*.csv']},
    install_requires=cfg['requirements'].split(), extras_require=extras, python_requires=f">={cfg['min_python']}",
    entry_points={'console_scripts': cfg['console_scripts'].split('\n'), 'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]}, zip_safe=False,
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'Programming Language :: Python :: 3',
                 'Programming Language :: Python :: 3.11', 'Topic :: Scientific/Engineering :: Artificial Intelligence'])
