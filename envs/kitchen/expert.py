from __future__ import annotations
from collections.abc import Callable, Iterator
import numpy as np
from scipy.spatial.transform import Rotation
from envs.kitchen.arm import Arm

Goal = np.ndarray | Callable[[], np.ndarray]
Actions = Iterator[np.ndarray]

def about(axis, angle): return Rotation.from_euler(axis, angle).as_matrix()

class Skills:
    def __init__(self, arm, rng, pace=1.0, speed=.7):
        self.arm=arm; self.rng=rng; self.pace=pace; self.speed=speed
        self.data, self.model = arm.data, arm.model
    def site(self,n): return self.data.site(n).xpos.copy()
    def joint(self,n): return float(self.data.joint(n).qpos[0])
    def jitter(self,w=.006): return self.rng.uniform(-w,w,3)
    def go(self, goal, grip=0., within=None, until=None, limit=40, rotation=None, speed=None):
        for _ in range(limit):
            g = goal() if callable(goal) else goal
            if until is not None:
                if until(): return
            elif np.linalg.norm(g-self.arm.position)<within: return
            r = self.arm.home_rotation if rotation is None else rotation() if callable(rotation) else rotation
            yield self.arm.toward(np.asarray(g), r, grip, speed or self.speed, self.pace)
    def away(self, back=.1, grip=0., rotation=None, up=0., side=0.):
        p=self.arm.position; y=p[1]-back
        yield from self.go(lambda: self.arm.position+(side,-.15,up), grip, until=lambda: self.arm.position[1]<y, limit=12, rotation=rotation)
    def light_switch(self):
        s=self.site('light_site')+self.jitter(.004)+(0,-.062,0)
        yield from self.go(s+(.07,-.06,0), within=.035)
        yield from self.go(lambda: np.array([self.arm.position[0]-.10 if self.arm.position[1]>s[1]-.02 else s[0]+.06, s[1], s[2]]), until=lambda: self.joint('light_switch')<-.6, limit=30)
        yield from self.away(.08)
    def slide_cabinet(self):
        s=self.site('slide_site')+self.jitter(); s[2]=2.47
        yield from self.go(s+(-.12,-.12,0), within=.05)
        yield from self.go(s+(-.09,0,0), within=.04, limit=12)
        yield from self.go(lambda: np.array([self.arm.position[0]+.10, s[1], s[2]]), until=lambda: self.joint('slide_cabinet')>.3, limit=30)
        yield from self.away(.12, side=-.05)
    def knob(self, site, joint):
        s=self.site(site)+self.jitter(.003)
        yield from self.go(s+(0,-.12,0), 1, within=.03)
        yield from self.go(s+(0,-.045,0), 1, within=.02, limit=12)
        yield from self.go(s+(0,-.045,0), 0, until=lambda: self.arm.opening<.035, limit=6)
        yield from self.go(s+(0,-.045,0), 0, rotation=lambda: about('y',.5)@self.arm.rotation, until=lambda: self.joint(joint)<-.85, limit=30)
        yield from self.go(s+(0,-.045,0), 1, rotation=lambda: self.arm.rotation, until=lambda: self.arm.opening>.055, limit=5)
        yield from self.away(.13, 1, rotation=self.arm.rotation)
    def bottom_burner(self): return self.knob('knob2_site','knob_Joint_2')
    def top_burner(self): return self.knob('knob4_site','knob_Joint_4')
    def microwave(self):
        anchor=self.data.joint('microwave').xanchor.copy(); j=self.jitter()
        h=lambda: np.array([*self.site('microhandle_site')[:2], 1.80])
        yield from self.go(h()+(0,-.14,0)+j, 1, within=.04)
        yield from self.go(lambda: h()+(0,.03,0), 1, until=lambda: self.arm.position[1]>h()[1]-.005, limit=15)
        yield from self.go(lambda: h()+(0,.02,0), 0, until=lambda: self.arm.opening<.05, limit=6)
        def arc():
            P=anchor+about('z',-.2)@(h()-anchor); P[2]=1.80; return P
        yield from self.go(arc, 0, until=lambda: self.joint('microwave')<-.7 or self.arm.opening<.02, limit=40)
        yield from self.go(h, 1, until=lambda: self.arm.opening>.065, limit=6)
        yield from self.away(.10, 1)
    def hinge_cabinet(self):
        anchor=self.data.joint('right_hinge_cabinet').xanchor.copy(); j=self.jitter(); z=2.56
        h=lambda: np.array([*self.site('hinge_site2')[:2], z]); th=lambda: self.joint('right_hinge_cabinet')
        yaw=lambda: about('z', max(0,th()-LAG))
        yield from self.go(h()+(0,-.13,0)+j, 1, within=.04)
        yield from self.go(lambda: h()+(0,.0,0), 1, until=lambda: self.arm.position[1]>h()[1]-.03, limit=15)
        yield from self.go(lambda: h()+(0,-.02,0), 0, until=lambda: self.arm.opening<.05, limit=6)
        def arc():
            P=anchor+about('z',LEAD)@(h()-anchor); P[2]=z; return P+yaw()@(0,-.02,0)
        yield from self.go(arc, 0, rotation=lambda: yaw()@self.arm.home_rotation, until=lambda: th()>1.35 or self.arm.opening<.02, limit=50)
        yield from self.go(lambda: self.arm.position, 1, rotation=lambda:self.arm.rotation, until=lambda: self.arm.opening>.065, limit=6)
        yield from self.away(.1, 1, rotation=self.arm.rotation)
    def kettle(self):
        goal=np.array([-.23,.75,1.62]); j=self.jitter()
        k=lambda: self.data.joint('kettle').qpos[:3].copy()
        post=lambda: k()+Rotation.from_quat(self.data.joint('kettle').qpos[3:],scalar_first=True).as_matrix()@(-.092,0,.19)
        yield from self.go(lambda: post()+(0,-.14,0)+j, 1, within=.04)
        yield from self.go(lambda: post()+(0,.03,0), 1, until=lambda: self.arm.position[1]>post()[1]-.005, limit=15)
        yield from self.go(lambda: post()+(0,.02,0), 0, until=lambda: self.arm.opening<.05, limit=6)
        yield from self.go(lambda: self.arm.position+(0,.03,.15), 0, until=lambda: k()[2]>1.66, limit=15)
        yield from self.go(lambda: self.arm.position+(goal+(0,0,.06)-k()), 0, until=lambda: np.linalg.norm((k()-goal)[:2])<.06, limit=30)
        yield from self.go(lambda: self.arm.position+(goal-k()), 0, until=lambda: k()[2]<1.64, limit=12)
        yield from self.go(lambda: self.arm.position, 1, until=lambda: self.arm.opening>.065, limit=5)
        yield from self.away(.15, 1)
LAG=.6; LEAD=.3
TASKS={n.replace('_',' '):n for n in ('bottom_burner','top_burner','light_switch','slide_cabinet','hinge_cabinet','microwave','kettle')}
