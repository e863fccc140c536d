# The training curve: gnuplot -c training.gnuplot HISTORY.csv OUT.svg
set datafile separator ","
set terminal svg size 800,450 font "sans-serif,13" background "white"
set output ARG2

set title "Softmax regression on handwritten digits, loss and gradient from lossd"
set key right center
set grid xtics ytics linecolor "#dddddd"
set border 11
set xlabel "Epoch"
set ylabel "Mean training loss" textcolor "#c0392b"
set y2label "Test accuracy" textcolor "#2c5f9e"
set ytics nomirror
set y2tics nomirror format "%.2f"
set xrange [0:*]
set yrange [0:*]
set y2range [*:1]

plot ARG1 every ::1 using 1:2 axes x1y1 with linespoints pointtype 7 pointsize 0.4 linecolor "#c0392b" title "loss", \
     ARG1 every ::1 using 1:3 axes x1y2 with linespoints pointtype 7 pointsize 0.4 linecolor "#2c5f9e" title "accuracy"
