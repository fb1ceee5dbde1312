// Before the first paint, so that a chosen theme does not flash.
const theme = localStorage.getItem('theme');
if (theme === 'light' || theme === 'dark') document.documentElement.style.colorScheme = theme;
