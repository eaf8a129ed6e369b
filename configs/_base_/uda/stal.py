# STAL as the paper describes it (the defaults of the class).
uda = dict(type='STAL', alpha=0.99)
