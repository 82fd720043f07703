COLUMNS=()
class LocalizationStudy:
    def __init__(self,*a): pass
    def run(self,*a): return []
