"Exact answers at the lottery, swept."
import math, pytest
from gac.lottery import Lottery, p_buy, p_tickets

def normal(x): return math.exp(-.5*x*x)

@pytest.mark.parametrize('p', [.001,.005,.2])
@pytest.mark.parametrize('buyers', [.1,.5,.9])
@pytest.mark.parametrize('y', [-1.,0.,.5,3.,99.])
def test_p_buy_is_bayes_rule(p, buyers, y):
    buy = buyers*(p*normal(y-99)+(1-p)*normal(y+1)); stay = (1-buyers)*normal(y)
    assert abs(p_buy(Lottery(p=p, buyers=buyers), y)-buy/(buy+stay))<1e-6

def test_the_house_numbers():
    t = Lottery()
    assert abs(p_buy(t,99.)-1)<1e-6 and round(p_buy(t,.5),2)==.27 and t.expected(True)<t.expected(False)

@pytest.mark.parametrize('y', [-3.,0.,.6,1.6,99.4])
def test_one_day_is_one_ticket(y):
    assert abs(p_tickets(Lottery(), y, days=1, wage=0.)[1]-p_buy(Lottery(), y))<1e-9
    assert abs(sum(p_tickets(Lottery(), y))-1)<1e-9

@pytest.mark.parametrize('kw', [dict(p=0), dict(p=1.), dict(buyers=1.2)])
def test_chances_lie_between_0_and_1(kw):
    with pytest.raises(ValueError, match='between 0 and 1'): Lottery(**kw)

def test_errors_name_the_cure():
    with pytest.raises(ValueError, match='sd=0'): Lottery(sd=0)
    with pytest.raises(ValueError, match='between -3 and 297'): p_tickets(Lottery(), 5000.)
