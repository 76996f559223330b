"""The built-in studies, computed: `windows` has the averages, `formulas` what is made of them, `running` the run over bars."""
